--- Writes error tables of schemas as one line.

local values = require "kong.response.schema.values"


local concat = table.concat
local fmt = string.format
local ipairs = ipairs
local tostring = tostring
local type = type


local _M = {}


local function text_of(err)
  return type(err) == "table" and values.dump(err) or tostring(err)
end


--- Returns `schema violation (config.a: required field missing)`, or `2 schema violations (…; …)`.
-- @tparam table errors
-- @treturn string
function _M.line(errors)
  local texts = {}
  for _, text in ipairs(errors["@entity"] or {}) do
    texts[#texts + 1] = text
  end
  for _, name in ipairs(values.sorted_keys(errors)) do
    local err = errors[name]
    if name ~= "@entity" then
      if type(err) == "table" then
        for _, inner in ipairs(values.sorted_keys(err)) do
          texts[#texts + 1] = fmt("%s.%s: %s", name, inner, text_of(err[inner]))
        end
      else
        texts[#texts + 1] = fmt("%s: %s", name, err)
      end
    end
  end
  local all = concat(texts, "; ")
  return #texts == 1 and fmt("schema violation (%s)", all)
         or fmt("%d schema violations (%s)", #texts, all)
end


return _M
