--- The `kong` of a test: what a gateway gives to the code of responses.

local instance = require "kong.response.instance"
local lacking = require "kong.response.testing.lacking"
local log = require "kong.response.testing.log"
local requests = require "kong.response.testing.request"
local running = require "kong.response.testing.running"
local upstreams = require "kong.response.testing.upstream"


local current = running.current
local keep = running.keep
local pairs = pairs
local setmetatable = setmetatable


local LEVELS = {
  emerg = 1, alert = 2, crit = 3, err = 4, warn = 5, notice = 6, info = 7, debug = 8,
}


local function make_log()
  local function at(level)
    return function(...)
      current():write_log(level, log.text(...))
    end
  end

  local lines = {}
  for name, level in pairs(LEVELS) do
    lines[name] = at(level)
  end
  lines.inspect = lines.debug

  local notice = lines.notice
  return setmetatable(lines, {
    __index = lacking.index "kong.log",
    __call = function(_, ...)
      notice(...)
    end,
  })
end


local _M = {}


--- The options of `kong.response`.
_M.OPTIONS = {}


--- Makes the table, and what puts it back between two tests.
-- @treturn table
-- @treturn function
function _M.new()
  local kong = {
    version = "3.9.0",
    version_num = 3009000,
    response = instance.for_tests(_M.OPTIONS),
    request = requests.kong_request(),
    client = requests.kong_client(),
    service = { response = upstreams.kong_service_response() },
    log = make_log(),
    ctx = {},
  }
  for _, name in pairs { "request", "client", "service" } do
    setmetatable(kong[name], { __index = lacking.index("kong." .. name) })
  end
  setmetatable(kong.service.response, { __index = lacking.index "kong.service.response" })
  setmetatable(kong, { __index = lacking.index "kong" })

  local keeps = { keep(kong) }
  for _, part in pairs(kong) do
    if type(part) == "table" then
      keeps[#keeps + 1] = keep(part)
    end
  end
  keeps[#keeps + 1] = keep(kong.service.response)

  return kong, function()
    for i = 1, #keeps do
      keeps[i]()
    end
  end
end


return _M
