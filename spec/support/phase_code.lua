--- Runs the code of a spec for a phase, in nginx's workers and in memory. `stages.lua` describes
-- the names that the code sees.

local BITS = require("kong.response.core").phases

local _M = {
  --- The field of `ngx.ctx` that announces a body filter which keeps the end of an empty body.
  KEEPS_EMPTY_BODY = "ngx.ctx.KONG_RESPONSE_KEEPS_EMPTY_BODY = true ",
}


--- Returns a value as Lua source. Tables have a depth of at most five, and values without a literal
-- become strings.
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


local texts = {}


--- Returns the text of a file, or nil. A worker reads each file once.
function _M.read(path)
  if texts[path] == nil then
    local file = io.open(path, "rb")
    texts[path] = file and file:read("*a") or false
    if file then
      file:close()
    end
  end
  return texts[path] or nil
end


--- Makes a function that writes the records of a case to its report.
-- @tparam string path the beginning of the names of the case's files
function _M.recorder(path)
  return function(phase, ...)
    local items = { string.format("%q", phase) }
    for i = 1, select("#", ...) do
      items[i + 1] = _M.source_of((select(i, ...)))
    end
    local report = assert(io.open(path .. "report", "ab"))
    report:write("record(", table.concat(items, ","), ")\n")
    report:close()
  end
end


--- Tells the spec that the log phase of a case has ended.
function _M.finish(path)
  assert(io.open(path .. "done", "wb")):close()
end


local function fails(f, ...)
  local function result(ok, err)
    return not ok and err
  end
  return result(pcall(f, ...))
end


local chunks = {}


--- Returns the code of a phase as a function. It is compiled once, so that LuaJIT compiles code
-- that runs often.
local function load(phase, code)
  local key = phase .. code
  if not chunks[key] then
    local chunk, err = loadstring("local response, note, fails = ... " .. code,
                                  "@plugin.lua")
    if not chunk then
      return nil, err
    end
    chunks[key] = chunk
  end
  return chunks[key]
end


local function run_code(phase, code, response, record)
  local function note(...)
    -- A function may return nothing instead of nil.
    if select("#", ...) == 0 then
      record(phase, nil)
    else
      record(phase, ...)
    end
  end
  local function result(ok, ...)
    if not ok then
      record("error " .. phase, (...))
      return false, (...)
    elseif select("#", ...) > 0 then
      record(phase, ...)
    end
    return true
  end
  local chunk, err = load(phase, code)
  if not chunk then
    return result(false, err)
  end
  return result(pcall(chunk, response, note, fails))
end


local function run_default(phase)
  if phase == "content" then
    ngx.print("content")
  elseif phase == "upstream" then
    ngx.header["Content-Length"] = 8
    ngx.print("upstream")
  elseif phase == "body_filter" and ngx.ctx.response_body then
    -- Set the end first: nginx loses an end that is set on an empty chunk, and the client waits
    -- forever.
    ngx.arg[2] = true
    ngx.arg[1] = ngx.ctx.response_body
  end
end


--- Runs a phase of a case. Raises the errors of the code.
-- @tparam string phase
-- @tparam ?string code
-- @tparam table response the functions
-- @tparam function record `record(phase, ...)`
-- @tparam boolean gateway whether to set `KONG_PHASE`
function _M.run(phase, code, response, record, gateway)
  -- The filters run inside the phase that prints.
  local before = gateway and ngx.ctx.KONG_PHASE
  if gateway then
    ngx.ctx.KONG_PHASE = BITS[phase]
  end
  local ok, err = true, nil
  if code then
    ok, err = run_code(phase, code, response, record)
  else
    run_default(phase)
  end
  if gateway then
    ngx.ctx.KONG_PHASE = before
  end
  if not ok then
    error(err, 0)
  end
end


return _M
