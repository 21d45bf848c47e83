-- The kit's `ngx` answers as nginx's: the same calls in both.

local nginx = require "spec.support.nginx"
local served = require "spec.support.served"
local testing = require "kong.response.testing"


local CALLS = "spec/kit/fixtures/ngx_calls.lua"


local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do
    lines[#lines + 1] = line
  end
  return lines
end


-- The kit has the messages of PCRE. An nginx with PCRE2 has others: then only what
-- failed is compared, and where the code goes on.
local function without_reasons(line)
  line = line:gsub("pcre2?_(%a+)%(%) failed: [^|]*", "pcre_%1() failed ")
  return (line:gsub(" +$", ""))
end


local function in_kit(group)
  return testing.run {
    plugin = { access = function()
      local calls = assert(loadfile(CALLS))()
      return kong.response.exit(200, calls.outcomes(group))
    end },
    request = {
      method = "POST", path = "/" .. group, headers = { ["X-Old"] = "1" }, body = "p=1&p=2",
      variables = { foo = "" }, host = "127.0.0.1",
    },
    strict = false,
    shared = { d = "1m" },
    nginx_version = "1.22.1",
  }.body
end


served.describe("ngx of the kit", function()
  return nginx.start {
    http = "lua_shared_dict d 1m;",
    locations = [[
      location / {
        set $foo "";
        access_by_lua_block {
          local calls = assert(loadfile("%{dir}/calls.lua"))()
          local group = ngx.var.uri:sub(2)
          local ok, text = pcall(calls.outcomes, group)
          ngx.print(text)
        }
      }
    ]],
    files = { ["calls.lua"] = nginx.read("../kit/fixtures/ngx_calls.lua") },
  }
end, function(server)
  for _, group in ipairs {
    "expressions", "texts", "dictionaries", "threads", "variables", "requests",
  } do
    it("gives the results of nginx's ngx: " .. group, function()
      local r = server:request {
        method = "POST", path = "/" .. group, body = "p=1&p=2",
        headers = { "X-Old: 1", "Host: 127.0.0.1", "User-Agent:", "Accept:", "Content-Type:" },
      }
      local expected, got = lines_of(r.body), lines_of(in_kit(group))
      local has_pcre2 = r.body:find("pcre2_compile", 1, true)
      local different = {}
      for i = 1, math.max(#expected, #got) do
        local a, b = expected[i], got[i]
        if has_pcre2 and a and b then
          a, b = without_reasons(a), without_reasons(b)
        end
        if a ~= b then
          different[#different + 1] = { nginx = expected[i], kit = got[i] }
        end
      end
      assert.is_true(#expected > 5)
      assert.same({}, different)
    end)
  end
end)
