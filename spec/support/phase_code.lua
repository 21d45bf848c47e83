--- Runs the code that a spec has for a phase: in nginx, whose workers load this file, and in
-- memory. There are three styles of such code: `plugins.lua`, `stages.lua`, `inline.lua`.

local BITS = {
  rewrite = 0x10,
  access = 0x20,
  balancer = 0x40,
  header_filter = 0x200,
  body_filter = 0x400,
  log = 0x2000,
}

local _M = {
  --- What a header filter sets in front of a body filter that keeps the end of an empty body.
  KEEPS_EMPTY_BODY = "ngx.ctx.KONG_RESPONSE_KEEPS_EMPTY_BODY = true ",
}


--- Lua for a value: a table up to a depth of five; what has no Lua of its own becomes a string.
function _M.source_of(value, depth)
  depth = depth or 0
  local kind = type(value)
  if kind == "table" and depth < 5 then
    local items = {}
    for key, item in next, value do
      items[#items + 1] = "[" .. _M.source_of(key, depth + 1) .. "]="
        .. _M.source_of(item, depth + 1)
    end
    return "{" .. table.concat(items, ",") .. "}"
  elseif kind == "number" then
    return value ~= value and "0/0" or value == 1 / 0 and "1/0" or value == -1 / 0 and "-1/0"
      or string.format("%.17g", value)
  elseif kind == "boolean" or kind == "nil" then
    return tostring(value)
  end
  return (string.format("%q", kind == "string" and value or "<" .. tostring(value) .. ">")
    :gsub("\n", "n"):gsub("\r", "r"))
end


local function fails(f, ...)
  local function result(ok, err)
    return not ok and err
  end
  return result(pcall(f, ...))
end


--- The style of `plugins.lua`: what the code sees, returns and raises is recorded.
-- @tparam string phase
-- @tparam ?string code
-- @tparam table response the functions
-- @tparam function record `record(phase, ...)`
function _M.plugins(phase, code, response, record)
  ngx.ctx.KONG_PHASE = BITS[phase]
  if not code then
    return
  end
  local chunk, err = loadstring("local response, see, fails = ... " .. code,
                                "@" .. phase .. ".lua")
  if not chunk then
    return record("error " .. phase, err)
  end
  local function see(...)
    record(phase, ...)
  end
  local function result(ok, ...)
    record(ok and phase or "error " .. phase, ...)
  end
  result(pcall(chunk, response, see, fails))
end


local function run_stage(stage, code, environment)
  if code then
    local chunk = assert(loadstring(code, "@plugin.lua"))
    setfenv(chunk, environment)
    chunk()
  elseif stage == "content" then
    ngx.print("content")
  elseif stage == "body_filter" and ngx.ctx.response_body then
    -- the end first: set after an empty chunk it gets lost, and the client waits for ever
    ngx.arg[2] = true
    ngx.arg[1] = ngx.ctx.response_body
  end
end


--- The style of `stages.lua`: the code is a whole file.
-- @tparam string stage
-- @tparam ?string code
-- @tparam table environment
-- @tparam boolean gateway whether phases are told by `KONG_PHASE`
function _M.stages(stage, code, environment, gateway)
  -- the filters run inside of the phase that prints
  local before = ngx.ctx.KONG_PHASE
  if gateway then
    ngx.ctx.KONG_PHASE = BITS[stage]
  end
  run_stage(stage, code, environment)
  if gateway then
    ngx.ctx.KONG_PHASE = before
  end
end


local loaded = {}


--- The style of `inline.lua`: the code has `response` and `note`.
-- @tparam string phase
-- @tparam ?string code
-- @tparam table response the functions
-- @tparam function note `note(...)`
function _M.inline(phase, code, response, note)
  if not code then
    return
  end
  -- kept, so that code that runs often is compiled as that of a plugin is
  local chunk = loaded[phase .. code]
  if not chunk then
    chunk = assert(loadstring("local response, note = ...; " .. code, "@" .. phase .. ".lua"))
    loaded[phase .. code] = chunk
  end
  chunk(response, note)
end


--- What a style notes of values: strings as they are, anything else as "(nil)", "(true)" ….
function _M.add_notes(notes, ...)
  -- a function may return nothing instead of nil
  for i = 1, math.max(1, select("#", ...)) do
    local value = select(i, ...)
    notes[#notes + 1] = type(value) == "string" and value or "(" .. tostring(value) .. ")"
  end
end


--- The text of a note that is one line of a log.
function _M.note_text(...)
  local texts = { ... }
  for i = 1, select("#", ...) do
    texts[i] = tostring(texts[i])
  end
  return table.concat(texts, " ")
end


return _M
