--- The code of nginx's workers, which plays sequences in nginx.

local generate = require("spec.conformance.generate").generate
local instance = require "kong.response.instance"
local play = require "spec.conformance.play"
local values = require "spec.conformance.values"


local _M = {}

local dir
local report

-- The players of the current requests, and the requests that the upstream got, by the header
-- `Case`. They are not in `ngx.ctx`, because nginx clears it if it answers 412 itself.
local players, received = {}, {}


--- Reads a sequence: by seed and number, or from a file that the client wrote.
local function find(case)
  local seed, index = case:match("^(%d+)%.(%d+)$")
  if not seed then
    local file = case
    local input = assert(io.open(dir .. "/" .. file, "rb"))
    local text = input:read("*a")
    input:close()
    return values.load(text)
  end
  return generate(tonumber(seed), tonumber(index))
end


function _M.init(folder)
  dir = folder
end


function _M.phase(name)
  local case = ngx.var.case
  local player = players[case]
  if not player then
    ngx.req.clear_header("Case")
    player = play.new(find(case), ngx, instance.new)
    players[case] = player
    if not player.sequence.pdk then
      ngx.var.upstream_uri = "/"
    end
  end
  player:phase(name)
end


function _M.log()
  _M.phase("log")
  local case = ngx.var.case
  local player = players[case]
  player:upstream_got(received[case])
  players[case], received[case] = nil, nil
  report = report or assert(io.open(dir .. "/report", "ab"))
  local notes = table.concat(player.notes, "\n")
  report:write(case:match("%d+$"), " ", #notes, "\n", notes, "\n")
  report:flush()
end


function _M.balancer(port)
  _M.phase "balancer"
  require("ngx.balancer").set_current_peer("127.0.0.1", port)
end


-- The headers that nginx itself sends to an upstream.
local OF_NGINX = { case = true, connection = true }


local function receive(case)
  ngx.req.read_body()
  local head = ngx.req.raw_header()
  local method, path, start = head:match("^(%S+) (.-) HTTP/%d%.%d\r\n()")
  local headers = {}
  for name, value in head:sub(start):gmatch("([^\r\n:]+): ?([^\r\n]*)") do
    if not OF_NGINX[name:lower()] then
      headers[#headers + 1] = { name, value }
    end
  end
  received[case] = {
    method = method, path = path, headers = headers, body = ngx.req.get_body_data() or "",
  }
end


--- Plays a sequence in memory, during a request of nginx.
function _M.memory()
  local seed, index = ngx.var.arg_seed, ngx.var.arg_index
  local notes = require("spec.conformance.memory").run(find(seed .. "." .. index))
  local file = assert(io.open(dir .. "/memory." .. index, "wb"))
  file:write(notes)
  file:close()
end


--- The upstream: sends the bytes of the sequence.
function _M.upstream()
  local case = ngx.var.http_case
  local upstream = players[case].sequence.upstream
  receive(case)
  local socket = assert(ngx.req.socket(true))
  local chunked = false
  local lines = { "HTTP/1.1 " .. upstream.status .. " Upstream" }
  for _, header in ipairs(upstream.headers) do
    lines[#lines + 1] = header[1] .. ": " .. header[2]
    chunked = chunked or header[1] == "Transfer-Encoding"
  end
  local body = upstream.body
  if ngx.var.request_method == "HEAD" then
    body = ""
  elseif chunked then
    body = (body == "" and "" or ("%x\r\n%s\r\n"):format(#body, body)) .. "0\r\n\r\n"
  end
  socket:send(table.concat(lines, "\r\n") .. "\r\n\r\n" .. body)
end


return _M
