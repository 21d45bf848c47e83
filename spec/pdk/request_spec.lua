local pdk = require "spec.support.pdk"


local REQUEST_PHASES = "rewrite, access, balancer, response, cluster_listener, header_filter, "
  .. "body_filter, log, error, admin_api"
local BODY_PHASES = "rewrite, access, response, error, admin_api"


pdk.each("kong.request", { both_bindings = true }, function(server)
  describe("in the wrong phase,", function()
    it("every function raises an error if the phase serves no request", function()
      local r = server:run { access = [[
        local names = {}
        for name in pairs(kong.request) do
          names[#names + 1] = name
        end
        table.sort(names)
        for _, name in ipairs(names) do
          for _, phase in ipairs { 0x1, 0x2, 0x3 } do
            ngx.ctx.KONG_PHASE = phase
            note(name .. ": " .. tostring(fails(kong.request[name], "x")))
          end
        end
      ]] }
      local expected = {}
      for _, name in ipairs {
        "get_body", "get_forwarded_host", "get_forwarded_path", "get_forwarded_port",
        "get_forwarded_prefix", "get_forwarded_scheme", "get_header", "get_headers", "get_host",
        "get_http_version", "get_method", "get_path", "get_path_with_query", "get_port",
        "get_query", "get_query_arg", "get_raw_body", "get_raw_path", "get_raw_query",
        "get_scheme", "get_start_time", "get_uri_captures",
      } do
        local allowed = name:find("body", 1, true) and BODY_PHASES or REQUEST_PHASES
        for _, phase in ipairs { "init_worker", "certificate", "'unknown phase'" } do
          local text = ("function cannot be called in %s phase (only in: %s)")
            :format(phase, allowed)
          if name == "get_port" then
            text = phase == "certificate" and "false"
              or ("function cannot be called in %s phase (can be called in any phases except: "
                  .. "init_worker)"):format(phase)
          end
          table.insert(expected, name .. ": " .. text)
        end
      end
      assert.same(expected, r.seen.access)
    end)

    it("functions for the body raise an error after the request was proxied", function()
      local code = [[
        note(fails(kong.request.get_raw_body), fails(kong.request.get_body))
      ]]
      local r = server:run { header_filter = code, log = code }
      for _, phase in ipairs { "header_filter", "log" } do
        local text = ("function cannot be called in %s phase (only in: %s)")
          :format(phase, BODY_PHASES)
        assert.same({ text, text }, r.seen[phase])
      end
    end)

    it("the error names no phase in a timer, and admin_api in content", function()
      local r = server:run {
        port = "content_port",
        content = [[
          ngx.ctx.KONG_PHASE = nil
          note(kong.request.get_method(), fails(kong.request.get_port),
              fails(kong.client.get_consumer))
        ]],
        access = [[
          local done
          ngx.timer.at(0, function()
            note(fails(kong.request.get_method), fails(kong.request.get_port))
            done = true
          end)
          for _ = 1, 200 do
            if done then break end
            ngx.sleep(0.01)
          end
        ]],
      }
      assert.same({
        "GET", "no phase in ngx.ctx.KONG_PHASE",
        "function cannot be called in admin_api phase (only in: access, response, header_filter, "
          .. "body_filter, log)",
      }, r.seen.content)
      assert.same({
        "no phase in ngx.ctx.KONG_PHASE, (need one of " .. REQUEST_PHASES .. ")",
        "no phase in ngx.ctx.KONG_PHASE",
      }, r.seen.access)
    end)

    it("the error comes before that of arguments, at the plugin's line", function()
      local r = server:run {
        raises = true,
        access = "\nlocal value = kong.request.get_header(1)\nreturn value",
        header_filter = "\n\nlocal value = kong.request.get_body(1)\nreturn value",
        log = "local value = kong.request.get_query(0)\nreturn value",
      }
      assert.equal("plugin.lua:2: header name must be a string", r.errors.access)
      assert.equal("plugin.lua:3: function cannot be called in header_filter phase"
        .. " (only in: " .. BODY_PHASES .. ")", r.errors.header_filter)
      assert.equal("plugin.lua:1: max_args must be >= 1", r.errors.log)
    end)
  end)


  describe("the request line", function()
    it("is returned as the client sent it", function()
      local r = server:run {
        method = "POST",
        path = "/a%2f%41//b/./c/../d?x=1&y",
        headers = { "Host: Example.COM:8080" },
        access = [[
          local request = kong.request
          note(request.get_method(), request.get_path(), request.get_raw_path(),
              request.get_path_with_query(), request.get_raw_query(), request.get_http_version(),
              request.get_scheme(), request.get_host())
        ]],
      }
      assert.same({
        "POST", "/a%2FA/b/d", "/a%2f%41//b/./c/../d", "/a%2f%41//b/./c/../d?x=1&y", "x=1&y", 1.1,
        "http", "example.com",
      }, r.seen.access)
    end)

    for version, number in pairs { ["1.0"] = 1.0, ["1.1"] = 1.1, ["2"] = 2 } do
      it("is read for HTTP/" .. version, function()
        local r = server:run {
          http2 = version == "2" or nil,
          http_version = version ~= "2" and version or nil,
          path = "/x?a=b",
          access = [[
            note(kong.request.get_http_version(), kong.request.get_method(),
                kong.request.get_path_with_query(), kong.request.get_header("x-foo"))
          ]],
          headers = { "X-Foo: bar" },
        }
        assert.same({ number, "GET", "/x?a=b", "bar" }, r.seen.access)
      end)
    end

    it("has a path in normal form", function()
      local cases = {
        { "/%41%2f%7e%20", "/A%2F~ " },
        { "/a/./b/../c//d", "/a/c/d" },
        { "/..", "/" },
        { "//", "/" },
        { "/", "/" },
        { "/a/..", "/" },
        { "/a/../", "/" },
        { "/a/b/..", "/a/" },
        { "/a/.", "/a/" },
        { "/../../a", "/a" },
        { "/%2e%2e/a/%2E/b", "/a/b" },
        { "/.a/..b/c.", "/.a/..b/c." },
        { "/a%00b%0a", "/a\0b\n" },
        { "/%21%2a%27%28%29%3b%3a%40%26%3d%2b%24%2c%2f%3f%25%23%5b%5d",
          "/%21%2A%27%28%29%3B%3A%40%26%3D%2B%24%2C%2F%3F%25%23%5B%5D" },
        { "/%e4%f6", "/\228\246" },
        { "/a//", "/a/" },
      }
      for _, case in ipairs(cases) do
        local r = server:run {
          -- nginx itself refuses some of these.
          path = "/",
          access = ("ngx.ctx.request_uri = %q note(kong.request.get_path())"):format(case[1]),
        }
        assert.same({ case[2] }, r.seen.access, case[1])
      end
    end)

    it("has a path that keeps invalid escapes and ends at the query", function()
      local r = server:run { access = [[
        for _, target in ipairs { "/%zz/%4", "/a?", "/?b", "?x/y?z", "", "/a?b?c" } do
          ngx.ctx.request_uri = target
          note(kong.request.get_path(), kong.request.get_raw_path())
        end
      ]] }
      assert.same({
        "/%zz/%4", "/%zz/%4", "/a", "/a", "/", "/", "?x/y", "?x/y", "", "", "/a", "/a",
      }, r.seen.access)
    end)

    it("does not change if plugins change the request to the upstream", function()
      local code = [[
        note(kong.request.get_path(), kong.request.get_path_with_query(), kong.request.get_host(),
            kong.request.get_scheme(), kong.request.get_raw_query(), kong.request.get_method())
      ]]
      local r = server:run {
        path = "/before?a=b",
        headers = { "Host: before" },
        access = [[
          kong.service.request.set_path("/after")
          kong.service.request.set_scheme("http")
          kong.service.request.set_raw_query("c=d")
          kong.service.request.set_header("Host", "after")
          kong.service.request.set_method("PUT")
        ]] .. code,
        log = code,
      }
      local expected = { "/before", "/before?a=b", "before", "http", "c=d", "PUT" }
      assert.same(expected, r.seen.access)
      assert.same(expected, r.seen.log)
    end)

    it("has the current host in rewrite", function()
      local r = server:run {
        headers = { "Host: one" },
        rewrite = [[
          note(kong.request.get_host())
          ngx.req.set_header("Host", "two")
          note(kong.request.get_host())
        ]],
      }
      assert.same({ "one", "two" }, r.seen.rewrite)
    end)

    it("has the method and the query of a request that nginx refused", function()
      local r = server:run {
        path = "/x?a=b&c",
        method = "PATCH",
        header_filter = [[
          ngx.ctx.KONG_PHASE, ngx.ctx.KONG_UNEXPECTED = 0x1000000, true
          note(kong.request.get_method(), kong.request.get_query())
        ]],
        access = [[ ngx.req.set_uri_args("other") ngx.req.set_method(ngx.HTTP_PUT) ]],
      }
      assert.same({ "PATCH", { a = "b", c = true } }, r.seen.header_filter)
    end)

    it("has the method of a request line without a path", function()
      local r = server:run { port = "content_port", access = [[
        ngx.ctx.KONG_PHASE, ngx.ctx.KONG_UNEXPECTED = 0x1000000, true
        local var, line = ngx.var, "PUT"
        ngx.var = { request = line }
        note(kong.request.get_method(), kong.request.get_query())
        ngx.var = {}
        note(kong.request.get_method())
        ngx.var = var
      ]] }
      assert.same({ "PUT", {}, "GET" }, r.seen.access)
    end)

    it("has a start time in milliseconds", function()
      local r = server:run {
        access = [[
          note(math.abs(kong.request.get_start_time() - ngx.now() * 1000) < 60000)
          ngx.ctx.KONG_PROCESSING_START = 5
          note(kong.request.get_start_time())
        ]],
      }
      assert.same({ true, 5 }, r.seen.access)
    end)

    it("has the router's captures of the path", function()
      local r = server:run { access = [[
        local none = kong.request.get_uri_captures()
        note(none, getmetatable(none.unnamed) == require("kong.response.json").array_mt)
        ngx.ctx.router_matches = {
          uri_captures = { [0] = "/a/b", "a", "b", name = "a", [true] = 1 },
        }
        local some = kong.request.get_uri_captures()
        note(some.unnamed[0], some.unnamed[1], some.unnamed[2], some.named)
        note(kong.request.get_uri_captures({}))
      ]] }
      assert.same({
        { unnamed = {}, named = {} }, true, "/a/b", "a", "b", { name = "a" },
        { unnamed = {}, named = {} },
      }, r.seen.access)
      assert.matches("unknown capture key type: boolean", r.log, 1, true)
    end)
  end)


end)
