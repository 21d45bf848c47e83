--- Asks servers to encode values as JSON, and checks the results.

local assert = require "luassert"
local nginx = require "spec.support.nginx"
local vectors = require "spec.support.json_vectors"


local count = 0

local _M = {}


--- The beginning of an error about a body.
_M.REFUSED = "body encoding failed while flushing response: "

local REFUSED = _M.REFUSED

--- The files that a server needs.
_M.FILES = {
  ["encoder.lua"] = nginx.read "encoder.lua",
  ["vectors.lua"] = nginx.read "json_vectors.lua",
}


--- Returns the outcome of each source: { bytes } or { nil, error }.
function _M.results(server, file, before)
  local r = server:run {
    header_filter = (before or "") .. " require('encoder').answer('" .. file .. "')",
  }
  assert.equal(0, r.exit)
  local found, position = {}, 1
  while position <= #r.body do
    local sign, length, start = r.body:match("^([+-])(%d+):()", position)
    assert.is_string(sign, r.body:sub(1, 300))
    local text = r.body:sub(start, start + tonumber(length) - 1)
    found[#found + 1] = sign == "+" and { text } or { nil, text }
    position = start + tonumber(length)
  end
  return found
end


--- Checks the outcomes of the vectors.
function _M.check_vectors(found)
  assert.equal(#vectors, #found)
  for i, vector in ipairs(vectors) do
    local bytes, err = found[i][1], found[i][2]
    assert.equal(vector[1] .. " -> " .. tostring(vector[2]), vector[1] .. " -> "
      .. tostring(bytes))
    assert.equal(vector[3] and vector[1] .. " -> " .. REFUSED .. vector[3],
      err and vector[1] .. " -> " .. err)
  end
end


--- Writes sources to a file of the server, and returns their outcomes.
function _M.encoded(server, ...)
  count = count + 1
  local path = ("%s/sources%d.lua"):format(server.dir, count)
  local file = assert(io.open(path, "wb"))
  file:write("return {\n")
  for _, source in ipairs { ... } do
    file:write(("%q,\n"):format(source))
  end
  file:write("}\n")
  file:close()
  local found = _M.results(server, path)
  assert.equal(select("#", ...), #found)
  return found
end


--- Checks each outcome against { source, bytes } or { source, nil, error }.
function _M.check(server, cases)
  local sources = {}
  for i, case in ipairs(cases) do
    sources[i] = case[1]
  end
  for i, found in ipairs(_M.encoded(server, unpack(sources))) do
    local case = cases[i]
    assert.equal(case[1] .. " -> " .. tostring(case[2]), case[1] .. " -> " .. tostring(found[1]))
    assert.equal(case[3] and case[1] .. " -> " .. REFUSED .. case[3],
      found[2] and case[1] .. " -> " .. found[2])
  end
end


return _M
