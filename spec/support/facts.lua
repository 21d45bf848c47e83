--- Differences between versions of nginx. This module asks the nginx that the specs run.
--
--     if server:has "repeated_www_authenticate" then … end

local nginx = require "spec.support.nginx"


-- Each fact has Lua code for the content phase, or locations; the headers of a request; and a
-- function that reads the fact from the response.
local FACTS = {
  -- The version of lua-nginx-module, as a number.
  lua_version = {
    code = [[ngx.header["X-Version"] = ngx.config.ngx_lua_version]],
    answer = function(r)
      return tonumber(r:header("X-Version"))
    end,
  },
  -- Whether nginx can send WWW-Authenticate more than once.
  repeated_www_authenticate = {
    code = [[ngx.header["WWW-Authenticate"] = { "one", "two" }]],
    answer = function(r)
      return #r:values("WWW-Authenticate") == 2
    end,
  },
  -- Whether a variable has all headers with a name, not only the first one.
  joined_headers = {
    headers = { "X-A: one", "X-A: two" },
    code = [[ngx.header["X-Joined"] = ngx.var.http_x_a]],
    answer = function(r)
      return r:header("X-Joined") == "one, two"
    end,
  },
  -- Whether lua-nginx-module restores `ngx.ctx` after nginx has answered 412 itself. The response
  -- to a second request shows this.
  restores_ctx = {
    headers = { 'If-Match: "x"' },
    code = [[
      ngx.header["X-Restores"] = tostring(package.loaded.restores_ctx)
      ngx.ctx.is_there = true
      ngx.print("x")
      package.loaded.restores_ctx = ngx.ctx.is_there or false
    ]],
    answer = function(_, again)
      return again():header("X-Restores") == "true"
    end,
  },
  -- Whether nginx drops the second ETag of an upstream, and some other repeated headers.
  drops_repeats = {
    locations = [[
      location = /repeats {
        content_by_lua_block {
          ngx.req.socket(true):send("HTTP/1.1 200 OK\r\nETag: one\r\nETag: two\r\n\r\n")
        }
      }
      location = /drops_repeats {
        proxy_pass http://127.0.0.1:%{port}/repeats;
      }
    ]],
    answer = function(r)
      return #r:values("ETag") == 1
    end,
  },
  -- Whether the phase stays `body_filter` after code has printed after the end of the body.
  stale_phase = {
    locations = [[
      location = /stale_phase {
        content_by_lua_block {
          ngx.header["X-Stale"] = tostring(package.loaded.stale_phase)
          ngx.print("x")
          pcall(ngx.flush, true)
          pcall(ngx.print, "too late")
          package.loaded.stale_phase = ngx.get_phase() == "body_filter"
        }
        body_filter_by_lua_block { ngx.arg[2] = true }
      }
    ]],
    answer = function(_, again)
      return again():header("X-Stale") == "true"
    end,
  },
  -- Whether a later phase adds to the output of an earlier one, for a client of HTTP/1.0.
  joins_output = {
    locations = [[
      location = /joins_output {
        access_by_lua_block { ngx.print("1") }
        content_by_lua_block { ngx.print("2") }
      }
    ]],
    version = "1.0",
    answer = function(r)
      return r.body == "12"
    end,
  },
  -- The value of the header Server, or nil.
  server_header = {
    answer = function(r)
      return r:header("Server")
    end,
  },
}


local facts


local function ask()
  local locations = {}
  for name, fact in pairs(FACTS) do
    locations[#locations + 1] = fact.locations
      or ("location = /%s { content_by_lua_block { %s ngx.print('x') } }")
        :format(name, fact.code or "")
  end
  facts = {}
  nginx.once({ locations = table.concat(locations, "\n") }, function(server)
    for name, fact in pairs(FACTS) do
      local function get(headers)
        return server:request { path = "/" .. name, headers = headers, http_version = fact.version }
      end
      facts[name] = fact.answer(get(fact.headers), get)
    end
  end)
end


local _M = {}


--- Returns a fact. The first call asks nginx for all of them.
function _M.get(name)
  assert(FACTS[name], "there is no such fact")
  if not facts then
    ask()
  end
  return facts[name]
end


return _M
