--- Plays sequences in nginx: what its workers run.

local generate = require("spec.conformance.generate").generate
local instance = require "kong.response.instance"
local play = require "spec.conformance.play"
local values = require "spec.conformance.values"


local _M = {}

local dir
local report


--- Reads a sequence: by seed and number, or from a file that the client wrote.
local function find(seed, index, file)
  if file then
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
  local ctx = ngx.ctx
  local player = ctx.player
  if not player then
    local sequence = find(ngx.var.arg_seed, ngx.var.arg_index, ngx.var.arg_file)
    player = play.new(sequence, ngx, instance.new)
    ctx.player = player
  end
  player:phase(name)
end


function _M.log()
  _M.phase("log")
  report = report or assert(io.open(dir .. "/report", "ab"))
  local notes = table.concat(ngx.ctx.player.notes, "\n")
  report:write(ngx.var.arg_index, " ", #notes, "\n", notes, "\n")
  report:flush()
end


function _M.balancer(port)
  _M.phase "balancer"
  require("ngx.balancer").set_current_peer("127.0.0.1", port)
end


--- Plays a sequence in memory, in the midst of a request of nginx's.
function _M.memory()
  local seed, index = ngx.var.arg_seed, ngx.var.arg_index
  local notes = require("spec.conformance.memory").run(find(seed, index))
  local file = assert(io.open(dir .. "/memory." .. index, "wb"))
  file:write(notes)
  file:close()
end


--- The upstream: bytes as the sequence has them.
function _M.upstream()
  local sequence = find(ngx.var.arg_seed, ngx.var.arg_index, ngx.var.arg_file)
  local upstream = sequence.upstream
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
