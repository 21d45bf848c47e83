--- Plays a sequence, in nginx and in memory, and notes the results of its operations.

local pdk = require "kong.response.pdk"
local values = require "spec.conformance.values"
local BITS = require("spec.conformance.generate").BITS

local fmt = string.format


-- The function of the plugin. An error names its line.
local function plugin(f, ...)
  local a, b, c = f(...)
  return a, b, c
end


-- Replaces addresses of values and paths of files, because they always differ.
local function clean(text)
  text = text:gsub("0x%x+", "0x")
  text = text:gsub("^[^:\n]*play%.lua:%d+: ", "plugin: ")
  -- The library's files, in any folder.
  text = text:gsub("^[^:\n]*/(kong/response/[^:\n]*%.lua:%d+: )", "%1")
  -- nginx's own errors name its own files
  text = text:gsub("^[^:\n]*%.lua:%d+: API disabled", "API disabled")
  return text
end


local function show(...)
  local shown = {}
  for i = 1, select("#", ...) do
    shown[i] = values.source((select(i, ...)))
  end
  return clean(table.concat(shown, ", "))
end


local NGX = {}

NGX["ngx.header"] = function(ngx, name)
  return ngx.header[name]
end

NGX["ngx.header="] = function(ngx, name, value)
  ngx.header[name] = value
end

NGX["ngx.resp.get_headers"] = function(ngx, max, raw)
  local headers, err = ngx.resp.get_headers(max, raw)
  return headers, err, headers.x_foo
end

NGX["ngx.status"] = function(ngx)
  return ngx.status
end

NGX["ngx.status="] = function(ngx, status)
  ngx.status = status
end

NGX["ngx.arg"] = function(ngx, index)
  return ngx.arg[index]
end

NGX["ngx.arg="] = function(ngx, index, value)
  ngx.arg[index] = value
end

NGX["ngx.print"] = function(ngx, text)
  ngx.print(text)
end

function NGX.send_response_body(ngx)
  local body = ngx.ctx.response_body
  if body then
    ngx.arg[2] = true
    ngx.arg[1] = body
  end
end


local Player = {}
Player.__index = Player

--- Yields to nginx's scheduler, where there is one.
function Player.before_yield()
end


function Player:note(text)
  self.notes[#self.notes + 1] = text
end


function Player:outcome(what, ok, ...)
  local text
  if ok then
    text = show(...)
  else
    local err = (...)
    text = "raises " .. (type(err) == "string" and values.source(clean(err)) or type(err))
    -- nginx's own errors name its own files
    if what:find("^ngx") then
      text = text:gsub('^(raises ")[^"]-:%d+: ', "%1"):gsub('^(raises ")plugin: ', "%1")
    end
  end
  self:note(what .. " -> " .. text)
end


--- Delays a response like a gateway: the call yields forever, and the response is sent later.
function Player:delayed(name, ...)
  local ctx = self.ngx.ctx
  ctx.delay_response = true
  local f, arguments, count = self.response[name], { ... }, select("#", ...)
  local thread = coroutine.wrap(function()
    self:outcome(name, pcall(plugin, f, unpack(arguments, 1, count)))
    return "ended"
  end)
  self.before_yield()
  local ended = thread()
  ctx.delay_response = nil
  local stored = ctx.delayed_response
  self:note("delayed -> " .. show(ended, stored))
  if stored then
    self:outcome("flush", pcall(ctx.delayed_response_callback, ctx))
    ctx.delayed_response = nil
  end
end


function Player:operation(operation)
  local name = operation[1]
  local arguments, count = {}, operation.n
  for i = 1, count do
    arguments[i] = values.real(operation[i + 1])
  end
  local delayed = name:match("^delayed_(.*)")
  if delayed then
    return self:delayed(delayed, unpack(arguments, 1, count))
  elseif NGX[name] then
    return self:outcome(name, pcall(NGX[name], self.ngx, unpack(arguments, 1, count)))
  elseif name:find("^kong%.") then
    local f = self.kong
    for part in name:sub(6):gmatch("[^.]+") do
      f = f[part]
    end
    return self:outcome(name, pcall(plugin, f, unpack(arguments, 1, count)))
  end
  -- A note before the call, because it may not return.
  self:note("> " .. name)
  local f = self.response[name]
  if #self.notes % 3 == 0 then
    self:outcome(name, pcall(f, unpack(arguments, 1, count)))
  else
    self:outcome(name, pcall(plugin, f, unpack(arguments, 1, count)))
  end
end


--- Plays a phase. The filters run inside the phase that prints.
function Player:phase(phase)
  local sequence, ctx = self.sequence, self.ngx.ctx
  local list = sequence[phase] or {}
  if phase == "body_filter" then
    self.chunks = (self.chunks or 0) + 1
    list = list[math.min(self.chunks, #list)] or {}
  end

  local before, kong = ctx.KONG_PHASE, rawget(_G, "kong")
  local told = sequence.phases[phase]
  if told == nil then
    told = BITS[phase]
  elseif told == "nil" then
    told = nil
  end
  ctx.KONG_PHASE = told
  rawset(_G, "kong", sequence.kong and { ctx = {} } or nil)

  -- The network decides where the upstream's body is cut into chunks.
  local notes = self.notes
  local silent = phase == "body_filter" and sequence.upstream and not self.ngx.arg[2]
  if silent then
    self.notes = {}
  end
  self:note("-- " .. phase)
  local requests = sequence.pdk and self.requests
  if requests and requests[phase] then
    requests[phase](ctx)
  end
  for _, operation in ipairs(list) do
    self:operation(operation)
    -- nginx has answered 412 itself and has cleared the context of the request, so the phase is
    -- unknown.
    if self.ngx.ctx ~= ctx then
      break
    end
  end
  if requests and phase == "access" then
    requests.proxy(ctx)
  end
  self.notes = notes

  ctx.KONG_PHASE = before
  rawset(_G, "kong", kong)
  if phase == "log" then
    self:note(fmt("ctx -> %s", show(ctx.KONG_EXITED, ctx.response_body)))
  end
end


--- Notes the request that the upstream got. Without a request, it notes nothing. Spaces at the end
-- are not part of a value (RFC 9110 section 5.5): `ngx.req.raw_header` leaves out those of the last
-- header.
-- @tparam ?table sent `method`, `path`, `headers`, `body`
function Player:upstream_got(sent)
  if not sent or not self.sequence.pdk then
    return
  end
  local lines = { sent.method .. " " .. sent.path }
  for _, header in ipairs(sent.headers) do
    lines[#lines + 1] = header[1] .. ": " .. header[2]:gsub(" +$", "")
  end
  self:note("the upstream got " .. values.source(lines) .. " " .. values.source(sent.body))
end


local WARNINGS = {
  "was left in place, and set_raw_body made the body",
  "get_raw_body read a body with Content-Encoding",
  "was left in place, and set_raw_body replaced the body",
}


-- `kong`, and the functions of a gateway for the phases, for each `ngx` and client.
local kongs = {}


local function find_kong(ngx, trusted)
  local of_ngx = kongs[ngx] or {}
  kongs[ngx] = of_ngx
  local name = trusted and "trusted" or "other"
  if not of_ngx[name] then
    local configuration = { trusted_ips = trusted and { "0.0.0.0/0" } or {} }
    of_ngx[name] = { pdk.new({ configuration = configuration }, ngx) }
  end
  return unpack(of_ngx[name])
end


local _M = {}


--- Returns the target of the request: a location, and the path and query of the sequence.
function _M.target(sequence)
  local location = sequence.balancer and "/balanced" or sequence.upstream and "/proxied" or "/local"
  return location .. (sequence.request.path or "")
end


--- Makes a player of a sequence. `make(options)` returns the thirteen functions.
function _M.new(sequence, ngx, make)
  local self = setmetatable({ sequence = sequence, ngx = ngx, notes = {} }, Player)
  if sequence.pdk then
    self.kong, self.requests = find_kong(ngx, sequence.pdk.trusted)
  end
  self.response = make {
    log = function(level, message)
      -- Warnings are logged once per worker, and each request in memory has its own worker.
      for i = 1, #WARNINGS do
        if message:find(WARNINGS[i], 1, true) then
          return
        end
      end
      self:note(fmt("logs %d %s", level, values.source(clean(message))))
    end,
    max_body_size = sequence.max_body_size,
    request_id = function()
      return "request"
    end,
  }
  return self
end


return _M
