--- Makes tables of the thirteen functions of `kong.response`.
-- nginx's subsystem decides which module makes them: `kong.response.http` or
-- `kong.response.stream`.

local core = require "kong.response.core"
local native = require "kong.response.native"


local error = error
local pairs = pairs
local type = type
local fmt = string.format
local rawget = rawget


local FUNCTIONS = {
  "get_status", "get_header", "get_headers", "get_source",
  "set_status", "set_header", "add_header", "clear_header", "set_headers",
  "get_raw_body", "set_raw_body", "exit", "error",
}

-- The modules that make the functions, by nginx's subsystem.
local BINDINGS = {
  http = "kong.response.http",
  stream = "kong.response.stream",
}

local OPTIONS = {
  log = "function",
  request_id = "function",
  error_templates = "table",
  worker_events = "table",
  max_body_size = "number",
  warnings = "boolean",
}

local ARTICLES = {
  boolean = "a boolean",
  ["function"] = "a function",
  number = "a number",
  table = "a table",
}

-- Above this, not every whole number is a Lua number.
local MAX_BODY_SIZE = 2^53

local DOCUMENTS = { json = true, html = true, xml = true, plain = true }


local function check_options(options)
  if type(options) ~= "table" then
    error(fmt("options must be a table, got %s", type(options)), 3)
  end

  for name, value in pairs(options) do
    local expected = OPTIONS[name]
    if not expected then
      error(fmt("unknown option %q", tostring(name)), 3)
    end
    if type(value) ~= expected then
      error(fmt("option %q must be %s, got %s", name, ARTICLES[expected], type(value)), 3)
    end
  end

  for name, path in pairs(options.error_templates or {}) do
    if not DOCUMENTS[name] then
      error(fmt("unknown option %q", "error_templates." .. tostring(name)), 3)
    end
    if type(path) ~= "string" then
      error(fmt("option %q must be a string, got %s", "error_templates." .. name, type(path)), 3)
    end
  end

  local events = options.worker_events
  if events and type(events.poll) ~= "function" then
    error(fmt("option %q must be a function, got %s", "worker_events.poll", type(events.poll)), 3)
  end

  local size = options.max_body_size
  if size and (size < 1 or size > MAX_BODY_SIZE or size % 1 ~= 0) then
    error(fmt("option %q must be a positive whole number, got %s", "max_body_size", tostring(size)),
          3)
  end
end


local function disabled()
  error("API disabled in the current context", 2)
end


local _M = {
  --- The version of the Lua files.
  _VERSION = native.VERSION,
  --- The version of the loaded native library, which is always the same.
  _NATIVE_VERSION = core.version,
}


--- `kong.response.testing` sets it while a test runs: `test(options, name, with_colon, ...)`
-- returns the functions for the request of that test. The arguments are the options of the
-- instance, the name of the called function, whether the call has a colon, and the arguments of the
-- call.
_M.test = nil


--- Makes functions that use the request of the test that runs when they are called.
-- @tparam table options checked options
-- @treturn table
function _M.for_tests(options)
  local response = {}
  for i = 1, #FUNCTIONS do
    local name = FUNCTIONS[i]
    response[name] = function(...)
      local test = _M.test
      if not test then
        error("kong.response has no request here: this process is not nginx with"
              .. " lua-nginx-module", 2)
      end
      -- A tail call, so that errors name the line of the caller.
      return test(options, name, (...) == response, ...)[name](...)
    end
  end
  return response
end


--- Makes an independent table of the thirteen functions.
-- In nginx's stream subsystem `exit` works, and the others raise
-- `API disabled in the current context`.
-- @tparam[opt] table options
-- @tparam[opt=nginx's error log] function options.log `function(level, message)` with nginx's
--   numbers for levels (`ngx.WARN`, `ngx.ERR`), for example `ngx.log`
-- @tparam[opt] function options.request_id `function() -> string|nil`: the request's id in error
--   documents. The default is the id of the module `kong.observability.tracing.request_id` if it
--   exists, else the variable `$request_id`
-- @tparam[opt] table options.error_templates paths of custom templates, by document: `json`,
--   `html`, `xml`, `plain`
-- @tparam[opt] table options.worker_events `exit` and `error` call `worker_events.poll()` in
--   nginx's content phase
-- @tparam[opt=no limit] number options.max_body_size the maximum size of a body that `get_raw_body`
--   reads, in bytes
-- @tparam[opt=true] boolean options.warnings whether warnings are logged: with false, the library
--   logs nothing at the level `ngx.WARN`
-- @treturn table
-- @raise `options must be a table, got <type>`, `unknown option "<name>"`, `option "<name>" must
--   be <type>, got <type>`, `option "max_body_size" must be a positive whole number, got <number>`;
--   with an older lua-nginx-module `kong.response needs lua-nginx-module
--   0.10.23 or later: symbol <name> not found`
function _M.new(options)
  if options ~= nil then
    check_options(options)
  end

  local ngx = rawget(_G, "ngx")
  local subsystem = type(ngx) == "table" and ngx.config and ngx.config.subsystem
  local binding = BINDINGS[subsystem]
  if _M.test or not binding then
    return _M.for_tests(options or {})
  end

  local response = require(binding)(options or {}, ngx)
  -- The other functions are disabled in a stream, which has no status, headers and body.
  for i = 1, #FUNCTIONS do
    local name = FUNCTIONS[i]
    response[name] = response[name] or disabled
  end
  return response
end


return _M
