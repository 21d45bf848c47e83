-- In nginx only: coroutines, and the request that they are for.

local nginx = require "spec.support.nginx"


local DISABLED = "API disabled in the current context"
local ANOTHERS = "this coroutine belongs to another request"

for _, jit_mode in ipairs { "on", "off" } do
  local init = "jit." .. jit_mode .. "() "

  describe("get_raw_body in a coroutine of the body filter, with the JIT " .. jit_mode, function()
    local BODY_FILTER = [[
      body_filter_by_lua_block {
        coroutine.wrap(function()
          coroutine.wrap(function()
            local response = require "kong.response"
            local body = response.get_raw_body()
            if body then
              response.set_raw_body("<" .. body .. ">")
            end
          end)()
        end)()
      }
    ]]

    local CONTENT = 'content_by_lua_block { ngx.print("bo") ngx.print("dy") }'

    for phase, code in pairs {
      ["no phase before"] = "",
      ["access"] = "access_by_lua_block { require 'kong.response' }",
      ["a coroutine of access"] =
        "access_by_lua_block { coroutine.wrap(function() require 'kong.response' end)() }",
      ["a light thread of access"] = [[
        access_by_lua_block {
          ngx.thread.wait(ngx.thread.spawn(function() require "kong.response" end))
        }
      ]],
      ["rewrite"] = "rewrite_by_lua_block { require 'kong.response' }",
      ["content"] = [[
        content_by_lua_block { require "kong.response" ngx.print("bo") ngx.print("dy") }
      ]],
      ["header_filter"] = "header_filter_by_lua_block { require 'kong.response' }",
      ["a coroutine of header_filter"] =
        "header_filter_by_lua_block { coroutine.wrap(function() require 'kong.response' end)() }",
    } do
      it("works when the library is first loaded in " .. phase, function()
        nginx.once({
          init = init,
          locations = [[
            location = / {
              default_type text/plain;
              ]] .. code .. BODY_FILTER .. (phase == "content" and "" or CONTENT) .. [[
            }
          ]],
        }, function(server)
          for _ = 1, 3 do
            local r = server:get("/")
            assert.equal("<body>", r.body, server:log())
            assert.equal(200, r.status)
          end
        end)
      end)
    end

    it("raises an error after the end of a body in coroutines of any thread", function()
      nginx.once({
        init = init .. [[
          seen = {}
          function see(_, err)
            seen[#seen + 1] = ngx.get_phase() .. " " .. tostring(err)
          end
        ]],
        locations = [[
          location = /seen {
            content_by_lua_block { ngx.print(table.concat(seen, "\n")) }
          }
          location = /stale {
            access_by_lua_block {
              response = require "kong.response"
              of_access = coroutine.create(function() see(pcall(response.get_raw_body)) end)
            }
            content_by_lua_block {
              ngx.print("body")
              pcall(ngx.flush, true)
              pcall(ngx.print, "too late")
              see(pcall(response.get_raw_body))
              see(coroutine.wrap(function() return pcall(response.get_raw_body) end)())
              coroutine.resume(of_access)
              coroutine.resume(of_header_filter)
              coroutine.resume(of_body_filter)
            }
            header_filter_by_lua_block {
              of_header_filter = coroutine.create(function() see(pcall(response.get_raw_body)) end)
            }
            body_filter_by_lua_block {
              ngx.arg[2] = true
              of_body_filter = coroutine.create(function() see(pcall(response.get_raw_body)) end)
            }
          }
        ]],
      }, function(server)
        assert.equal("body", server:get("/stale").body)
        -- In the content phase, nginx does not resume coroutines of filters.
        local phase, count = "content ", 3
        if server:has "stale_phase" then
          phase, count = "body_filter ", 5
        end
        assert.equal((phase .. DISABLED .. "\n"):rep(count):sub(1, -2), server:get("/seen").body)
      end)
    end)
  end)


  describe("a coroutine of another request, with the JIT " .. jit_mode, function()
    local server

    -- Every function, on the request of `/first`, whose coroutine `/second` resumes in a filter.
    local CALLS = [[
      local calls = {
        { "get_status" }, { "get_header", "X-Secret" }, { "get_headers" }, { "get_source" },
        { "set_status", 418 }, { "set_header", "X-Foreign", "1" },
        { "add_header", "X-Foreign", "1" }, { "clear_header", "X-Own" },
        { "set_headers", { ["X-Foreign"] = "1" } }, { "get_raw_body" }, { "set_raw_body", "x" },
        { "exit", 403, "foreign" }, { "error", 500 },
      }
      for i = 1, PROBES do
        for _, call in ipairs(calls) do
          local ok, err = pcall(response[call[1] ], call[2], call[3])
          if i == 1 then
            seen[#seen + 1] = call[1] .. " " .. tostring(ok) .. " " .. tostring(err)
          end
        end
      end
    ]]

    setup(function()
      server = nginx.start {
        init = init .. [[
          response = require "kong.response"
          seen = {}
          PROBES = 80
          function calls()
        ]] .. CALLS .. [[
          end
          function wait()
            for i = 1, 2000 do
              if done then break end
              ngx.sleep(0.001)
            end
          end
          function keep(phase)
            if ngx.var.arg_phase == phase and not ngx.ctx.kept then
              ngx.ctx.kept = true
              kept, done = coroutine.create(calls), false
              ngx.log(ngx.NOTICE, "kept it")
              if phase == "access" then
                wait()
              end
            end
          end
          function resume()
            assert(coroutine.resume(kept))
            kept = nil
          end
        ]],
        locations = [[
          # Keeps a coroutine of the named phase, and waits in that phase or after it.
          location = /first {
            access_by_lua_block {
              response.set_header("X-Own", "own")
              response.set_header("X-Secret", "secret")
              keep "access"
            }
            content_by_lua_block {
              ngx.print("first")
              ngx.flush(true)
              wait()
            }
            header_filter_by_lua_block { keep "header_filter" }
            body_filter_by_lua_block { keep "body_filter" }
          }
          location = /second {
            content_by_lua_block { ngx.print("second") }
            header_filter_by_lua_block {
              if ngx.var.arg_filter == "header" then resume() end
              response.set_header("X-Second", "1")
            }
            body_filter_by_lua_block {
              if ngx.var.arg_filter == "body" and ngx.arg[2] then resume() end
              done = true
            }
          }
          location = /seen {
            content_by_lua_block { ngx.print(table.concat(seen, "\n")) seen = {} }
          }
        ]],
      }
    end)

    teardown(function()
      server:stop()
    end)

    local function refusals()
      local lines = {}
      for i, name in ipairs {
        "get_status", "get_header", "get_headers", "get_source", "set_status", "set_header",
        "add_header", "clear_header", "set_headers", "get_raw_body", "set_raw_body", "exit",
        "error",
      } do
        lines[i] = name .. " false " .. ANOTHERS
      end
      return table.concat(lines, "\n")
    end

    for _, phase in ipairs { "access", "header_filter", "body_filter" } do
      for _, filter in ipairs { "header", "body" } do
        it("raises an error if made in " .. phase .. " and resumed in " .. filter, function()
          server:clear_log()
          local waiting = server:connect()
          waiting:send("GET /first?phase=" .. phase .. " HTTP/1.1\r\nHost: a\r\n"
            .. "Connection: close\r\n\r\n")
          assert.truthy(server:wait_log("kept it", 2))
          local second = server:get("/second?filter=" .. filter)
          local first = waiting:read()
          waiting:close()
          assert.equal(200, second.status)
          assert.equal("second", second.body)
          assert.equal("1", second:header("X-Second"))
          assert.is_nil(second:header("X-Foreign"))
          assert.matches("^HTTP/1.1 200 ", first)
          assert.matches("\r\nX-Own: own\r\n", first, 1, true)
          assert.matches("first", first, 1, true)
          assert.is_nil(first:find("X-Foreign", 1, true))
          assert.equal(refusals(), server:get("/seen").body)
        end)
      end
    end
  end)
end
