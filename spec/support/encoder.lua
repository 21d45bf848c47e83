--- Encodes values with `exit` in header_filter, which stores the bytes in ngx.ctx.response_body.
-- Servers of specs load this file.

local json = require "kong.response.json"

local _M = {}

local environment = setmetatable({
  null = json.null,
  empty_array = json.empty_array,
  array_mt = json.array_mt,
  empty_array_mt = json.empty_array_mt,
  -- A light userdata that is not a sentinel.
  other = debug.upvalueid(function() return _M end, 1),
  nest = function(depth)
    local outer = {}
    for _ = 2, depth do
      outer = { outer }
    end
    return outer
  end,
  cycle = function()
    local t = {}
    t[1] = t
    return t
  end,
}, { __index = _G })

--- Returns the bytes for the value of a Lua source, or nil and the error of `exit`.
function _M.encode(source)
  local chunk = assert(loadstring("return " .. source, "@plugin.lua"))
  setfenv(chunk, environment)
  ngx.ctx.response_body = nil
  local ok, err = pcall(require("kong.response").exit, 200, chunk())
  if not ok then
    assert(type(err) == "string", "an error that is no string")
    return nil, err
  end
  return ngx.ctx.response_body
end

--- Answers with the results for all sources in `file`, each with its length.
function _M.answer(file)
  local out = {}
  for i, source in ipairs(dofile(file)) do
    local bytes, err = _M.encode(type(source) == "table" and source[1] or source)
    out[i] = (bytes and "+" or "-") .. #(bytes or err) .. ":" .. (bytes or err)
  end
  require("kong.response").exit(200, table.concat(out), { ["Content-Type"] = "text/plain" })
end

return _M
