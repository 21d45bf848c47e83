-- `make bench` compares the library with plain Lua. The plain Lua must send the same responses,
-- otherwise the figures mean nothing.

local cases = require "spec.support.peer_cases"
local nginx = require "spec.support.nginx"
local served = require "spec.support.served"


local LOCATIONS = [[
set $one_id $request_id;
location / {
  access_by_lua_block { require("spec.support.peer_driver").access() }
  content_by_lua_block { require("spec.support.peer_driver").content() }
  header_filter_by_lua_block { require("spec.support.peer_driver").header_filter() }
  body_filter_by_lua_block { require("spec.support.peer_driver").body_filter() }
}
]]


-- Names in the order of the alphabet: that of the header lines is the peer's to choose.
local function seen(r)
  local names, lines = {}, {}
  for _, header in ipairs(r.headers) do
    local name = header[1]:lower()
    if name ~= "date" and not names[name] then
      names[name] = true
      lines[#lines + 1] = name .. ": " .. table.concat(r:values(name), ", ")
    end
  end
  table.sort(lines)
  -- Each request has an id of its own.
  local body = r.body:gsub("%x+", function(digits)
    return #digits == 32 and "(an id)" or digits
  end)
  return r.status .. "\n" .. table.concat(lines, "\n") .. "\n\n" .. body
end


served.describe("the plain Lua of make bench", function()
  return nginx.start {
    locations = LOCATIONS,
    init = [[
      package.path = "%{root}/?.lua;" .. package.path
      kong = { ctx = {} }
      require "spec.support.peer_driver"
    ]],
  }
end, function(server)
  for number, case in ipairs(cases) do
    it("gives the responses of the library: " .. case.name, function()
      local function ask(side)
        local r = server:get(("/?case=%d&side=%s"):format(number, side), case.headers)
        assert.equal(0, r.exit)
        return seen(r)
      end
      assert.equal(ask("ours"), ask("peer"))
    end)
  end


  it("keeps all parts of a measured request", function()
    local r = server:get("/?case=1&side=peer")
    assert.equal(404, r.status)
    assert.equal("theme=dark; Path=/", r:values("Set-Cookie")[2])
    assert.equal("no-store", r:header("Cache-Control"))
    assert.is_nil(r:header("X-RateLimit-Limit"))
  end)
end)
