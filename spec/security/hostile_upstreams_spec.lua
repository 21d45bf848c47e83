-- In nginx only: upstreams that send bytes which no Lua code would.

local bodies = require "spec.support.bodies"
local hosts = require "spec.support.hosts"


local CLEAR_LENGTH = bodies.CLEAR_LENGTH
local KEEP = bodies.KEEP
local WRAP = bodies.WRAP
local each_version = bodies.each_version


hosts.nginx("get_raw_body", {
  both_bindings = true, locations = bodies.LOCATIONS,
}, function(server)
  local function run(...)
    return server:run(...)
  end


  describe("for an upstream with a wrong Content-Length", function()
    --- An answer written byte by byte: nginx would not send such a Content-Length.
    local function hostile(length)
      return ([[
        local sock = assert(ngx.req.socket(true))
        sock:send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %s\r\n\r\nshort")
        ngx.exit(444)
      ]]):format(length)
    end

    for _, length in ipairs {
      "9223372036854775807", "4611686018427387904", "99999999999", "4294967296", "2147483648",
    } do
      it("returns nil for " .. length .. " bytes that never arrive", function()
        local before = server:rss(nil, "VmHWM")
        for _, path in ipairs { "/proxy", "/proxy11", "/unbuffered" } do
          each_version(function(options)
            local r = run({
              path = path,
              upstream = hostile(length),
              body_filter = KEEP,
            }, options)
            assert.not_equal(0, r.exit)
            assert.equal("", r.body)
            assert.is_true(#r.notes > 0)
            for _, value in ipairs(r.notes) do
              assert.equal("(nil)", value)
            end
          end)
        end
        assert.is_true(server:rss(nil, "VmHWM") - before < 64 * 1024)
      end)
    end

    for _, length in ipairs {
      "99999999999999999999", "-1", "-9223372036854775808", "abc", "", "0x10", "1e9", "5.0",
      "18446744073709551615",
    } do
      it("returns the real body for " .. ("%q"):format(length), function()
        local before = server:rss(nil, "VmHWM")
        each_version(function(options)
          -- nginx takes such a length for none, newer ones answer 502
          local r = run({
            path = "/proxy",
            upstream = hostile(length),
            body_filter = WRAP .. " note(body)",
            header_filter = CLEAR_LENGTH,
          }, options)
          if r.status == 502 then
            assert.matches("^>.*<$", r.body:reverse())
            assert.matches("502 Bad Gateway", r.notes[#r.notes])
          else
            assert.equal(200, r.status)
            assert.equal("<trohs>", r.body)
          end
        end)
        assert.is_true(server:rss(nil, "VmHWM") - before < 64 * 1024)
      end)
    end

    it("returns the announced bytes if more arrive", function()
      local r = run {
        path = "/proxy",
        upstream = hostile("3"),
        header_filter = CLEAR_LENGTH,
        body_filter = WRAP,
      }
      assert.equal("<ohs>", r.body)
    end)
  end)
end)
