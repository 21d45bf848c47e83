-- What the parts of `kong` return in memory, where nginx's versions differ, or where only the test
-- kit has the case. The specs in spec/pdk/ run these parts in nginx.

local testing = require "kong.response.testing"


describe("the parts of kong in memory", function()
  -- Returns the values that `code()` returns in access.
  local function in_access(case, code)
    local values
    case.plugin = { access = function() values = { code() } end }
    testing.run(case)
    return values
  end

  for _, version in ipairs { "1.22.1", "1.27.1" } do
    describe("with nginx " .. version, function()
      it("kong.request takes the first of several forwarded headers", function()
        assert.same({ "https", "a", 99, "/P", "/Q" }, in_access({
          nginx_version = version,
          configuration = { trusted_ips = { "127.0.0.1" } },
          request = { headers = {
            ["X-Forwarded-Proto"] = { "https", "http" }, ["X-Forwarded-Host"] = { "a:1", "b:2" },
            ["X-Forwarded-Port"] = { "99", "98" }, ["X-Forwarded-Path"] = { "/P", "/R" },
            ["X-Forwarded-Prefix"] = { "/Q", "/S" },
          } },
        }, function()
          local request = kong.request
          return request.get_forwarded_scheme(), request.get_forwarded_host(),
                 request.get_forwarded_port(), request.get_forwarded_path(),
                 request.get_forwarded_prefix()
        end))
      end)

      it("kong.client.get_protocol refuses several X-Forwarded-Proto", function()
        assert.same({ nil, "Only one X-Forwarded-Proto header allowed" }, in_access({
          nginx_version = version,
          configuration = { trusted_ips = { "127.0.0.1" } },
          request = { headers = { ["X-Forwarded-Proto"] = { "https", "http" } } },
        }, function()
          return kong.client.get_protocol(true)
        end))
      end)
    end)
  end
end)
