--- Each message of the test kit in docs/troubleshooting.md is provoked: users have to see it.

local testing = require "kong.response.testing"
local troubleshooting = require "spec.support.troubleshooting"


local function nothing()
end


-- The error of a test that cannot run.
local function refused(case)
  local ok, message = pcall(testing.run, case)
  assert.is_false(ok)
  return tostring(message)
end


-- The message of a failed assertion about a plugin whose method raises an error.
local function failed(plugin, case)
  case = case or {}
  case.plugin = plugin
  local result = testing.run(case)
  local _, message = pcall(function()
    assert.response(result).has.status(200)
  end)
  return tostring(message)
end


-- The error of a test whose request is wrong.
local function refused_request(request)
  return refused { plugin = { access = nothing }, request = request }
end


local function exits_with(status, body)
  return {
    header_filter = function()
      return kong.response.exit(status, body)
    end,
  }
end


-- A plugin whose body filter begins at the last chunk.
local function at_the_end(run, head)
  return {
    plugin = {
      header_filter = head,
      body_filter = function()
        if ngx.arg[2] then
          run()
        end
      end,
    },
    upstream = { body = "espresso" },
  }
end


local function replace_the_body()
  ngx.arg[1] = nil
  kong.response.set_raw_body("x")
end


local PROVOKED = {
  -- Errors of a test
  ['unknown field "<name>" of <what>'] = function()
    return refused { plugin = {}, upstrem = {} }
  end,
  ['a result has no field "<name>"'] = function()
    local result = testing.run { plugin = {} }
    return tostring(select(2, pcall(function()
      return result.stats
    end)))
  end,
  ["the config of <what>: <n> schema violations (<fields>)"] = function()
    return refused {
      plugin = { access = nothing },
      schema = { name = "any", fields = { { config = { type = "record", fields = {} } } } },
      config = { a = 1, b = 2 },
    }
  end,
  ["the config of <what>: schema violation (<fields>)"] = function()
    return refused {
      plugin = { access = nothing },
      schema = {
        name = "any",
        fields = {
          { config = {
            type = "record", fields = { { keys = { type = "string", required = true } } },
          } },
        },
      },
    }
  end,
  ['the plugin of <what> has a method "<name>", which is not a phase: did you mean "<phase>"?']
  = function()
    return refused { plugin = { acess = nothing } }
  end,
  ["the plugin of <what> has only phases that the kit does not run: <phases>"] = function()
    return refused { plugin = { preread = nothing } }
  end,
  ['the module "<name>" must return a table, got <type>'] = function()
    package.preload["returns.nothing"] = nothing
    local message = refused { plugin = "returns.nothing" }
    package.preload["returns.nothing"] = nil
    return message
  end,
  ["the test is a plugin itself: write { plugin = ..., config = ... }"] = function()
    return refused { access = nothing }
  end,
  ["the row of <what> needs a schema"] = function()
    return refused { plugin = { access = nothing }, row = {} }
  end,
  ["a test has either plugin, config and name, or plugins"] = function()
    return refused { plugin = { access = nothing }, plugins = {} }
  end,
  ['request.method must be in capitals, got "<method>"'] = function()
    return refused_request { method = "get" }
  end,
  ['request.path must start with a slash, got "<path>"'] = function()
    return refused_request { path = "http://example.com/" }
  end,
  ['<what>.headers["<name>"] must be a string or a list of strings, got <type>'] = function()
    return refused_request { headers = { ["X-Foo"] = print } }
  end,
  ["a test is running already"] = function()
    return failed {
      access = function()
        testing.run { plugin = {} }
      end,
    }
  end,
  ["no service is described for <method> <url>"] = function()
    return refused {
      plugin = {
        access = function()
          require("resty.http").new():request_uri("https://idp.example/token")
        end,
      },
    }
  end,
  ["the kit has no sockets: <name>"] = function()
    return refused {
      plugin = {
        access = function()
          ngx.socket.tcp()
        end,
      },
    }
  end,
  ["ngx.exec cannot redirect, because the kit has only one location"] = function()
    return refused {
      plugin = {
        access = function()
          ngx.exec("/other")
        end,
      },
    }
  end,
  ["the code has waited <n> times in one test: what it waits for does not happen"] = function()
    return refused {
      plugin = {
        access = function()
          while not kong.ctx.shared.done do
            ngx.sleep(0)
          end
        end,
      },
    }
  end,

  -- Hints
  ['there is no kong.response.<name>: did you mean "<name>"?'] = function()
    return failed {
      access = function()
        kong.response.set_heder("X-Foo", "a")
      end,
    }
  end,
  ['the config has no field "<name>": did you mean "<name>"?'] = function()
    return failed({
      access = function(_, config)
        return #config.claimz
      end,
    }, { config = { claims = { "sub" } } })
  end,
  ['the case declares no dictionary "<name>": shared = { "<name>" } (docs/testing.md)']
  = function()
    return failed {
      access = function()
        ngx.shared.counters:get("a")
      end,
    }
  end,
  ["kong.request:get_header(...) at <line>: call it with a dot"] = function()
    return failed({
      access = function()
        kong.request:get_header("apikey")
      end,
    }, { strict = false })
  end,
  ["kong.cache.get(...) at <line>: call it with a colon"] = function()
    return failed {
      access = function()
        kong.cache.get("key", nil, nothing)
      end,
    }
  end,
  ['the call was kong.response.exit("401")'] = function()
    return failed {
      access = function()
        kong.response.exit("401")
      end,
    }
  end,
  ["a timer has no request: pass it the values that it needs"] = function()
    return failed({
      access = function()
        ngx.timer.at(0, function()
          kong.response.get_status()
        end)
        ngx.sleep(1)
        return kong.response.exit(201)
      end,
    }, { strict = false })
  end,
  ["cjson.<name> at <line> is nil, because this lua-cjson does not have it: use that of"
    .. " kong.response.json"]
  = function()
    return failed({
      access = function()
        return #require("cjson").array_mt
      end,
    }, { modules = { cjson = { encode = nothing } } })
  end,
  ["kong.ctx.plugin is nil in init_worker, in configure and in timers"] = function()
    return failed({
      init_worker = function()
        kong.ctx.plugin.started = true
      end,
      access = function()
        return kong.response.exit(201)
      end,
    }, { strict = false })
  end,
  ['there is no kong.<part>.<name>: did you mean "kong.<part>.<name>"?'] = function()
    return failed {
      access = function()
        kong.service.set_header("X-Foo", "a")
      end,
    }
  end,
  ["cjson.<name> at <line> is nil, because this lua-cjson does not have it: use kong.response.json"
   .. " instead"] = function()
    return failed({
      access = function()
        require("cjson.safe").decode_array_with_array_mt(true)
      end,
    }, { modules = { ["cjson.safe"] = {} } })
  end,
  ["<phase>(<name>) at <line> gets the plugin, not the config"] = function()
    return failed {
      access = function(conf)
        return kong.response.exit(conf.status)
      end,
    }
  end,
  ["rewrite does not run, because row binds the plugin to a <kind>: a gateway runs rewrite only for"
   .. " global plugins"] = function()
    return failed({
      rewrite = nothing,
      access = function()
        return kong.response.exit(201)
      end,
    }, {
      schema = { name = "a", fields = { { config = { type = "record", fields = {} } } } },
      row = { route = { id = "5b1f4f5c-0b5d-4a3f-8d52-0f3b5ac1d001" } },
    })
  end,

  -- Strict mode
  ["code ran after an exit in header_filter, at <line>"] = function()
    return refused {
      plugin = {
        header_filter = function()
          kong.response.exit(403, "no")
          kong.response.set_header("X-Foo", "a")
        end,
      },
    }
  end,
  ['<phase> of "<name>" failed: <error>'] = function()
    return refused {
      name = "my-plugin",
      plugin = {
        log = function()
          error("no")
        end,
      },
    }
  end,
  ["a timer failed: <error>"] = function()
    return refused {
      plugin = {
        access = function()
          ngx.timer.at(0, function()
            error("no")
          end)
        end,
      },
    }
  end,
  ["<name> was called with a colon"] = function()
    return refused {
      plugin = {
        access = function()
          kong.log:err("no")
        end,
      },
    }
  end,
  ["<name> was called after the headers were sent"] = function()
    return refused {
      plugin = {
        body_filter = function()
          pcall(kong.response.set_header, "X-Foo", "a")
        end,
      },
    }
  end,
  ["<what> was set after the headers were sent: nginx ignores it"] = function()
    return refused {
      plugin = {
        body_filter = function()
          ngx.header["X-Foo"] = "a"
        end,
      },
    }
  end,
  ["set_status before the upstream's answer, whose status replaces it"] = function()
    return refused {
      plugin = {
        access = function()
          kong.response.set_status(201)
        end,
      },
    }
  end,
  ["Content-Type was set before the upstream's answer, whose Content-Type replaces it"] = function()
    return refused {
      plugin = {
        access = function()
          kong.response.set_header("Content-Type", "text/plain")
        end,
      },
      upstream = { headers = { ["Content-Type"] = "text/html" }, body = "a" },
    }
  end,
  ['<name> ignored the key <key> of the value of "<header>", and removed the header'] = function()
    return refused {
      plugin = {
        access = function()
          kong.response.set_header("X-Foo", { a = 1 })
        end,
      },
    }
  end,
  ["Content-Length: <m> was left in place, and set_raw_body made the body <n> bytes"] = function()
    return refused(at_the_end(replace_the_body))
  end,
  ["get_raw_body read a body with Content-Encoding: <encoding>"] = function()
    return refused {
      plugin = {
        body_filter = function()
          kong.response.get_raw_body()
        end,
      },
      upstream = { headers = { ["Content-Encoding"] = "gzip" }, body = "\31\139\8packed" },
    }
  end,
  ["Content-Encoding: <encoding> was left in place, and set_raw_body replaced the body"]
  = function()
    local case = at_the_end(replace_the_body, function()
      kong.response.clear_header("Content-Length")
    end)
    case.upstream.headers = { ["Content-Encoding"] = "gzip" }
    return refused(case)
  end,
  ["a body with status <n>: nginx does not send it"] = function()
    return refused { plugin = exits_with(204, "no") }
  end,
  ["a body with status <n>: the client reads it as the next response"] = function()
    local case = at_the_end(function()
      ngx.arg[1] = "no"
    end)
    case.upstream = { status = 204 }
    return refused(case)
  end,
  ["ngx.arg[2] was set after ngx.arg[1] was cleared: the end of the body is lost"] = function()
    return refused {
      plugin = {
        body_filter = function()
          ngx.arg[1] = nil
          ngx.arg[2] = true
        end,
      },
      upstream = { body = { "a", "b" } },
    }
  end,
  ["ngx.arg[2] was cleared: the end of the body is lost"] = function()
    return refused(at_the_end(function()
      ngx.arg[2] = false
    end))
  end,
  ["nginx has no variable ngx.var.<name>"] = function()
    return refused {
      plugin = {
        access = function()
          return ngx.var.requst_uri
        end,
      },
    }
  end,
}


describe("docs/troubleshooting.md", function()
  troubleshooting.compare(PROVOKED, "Messages of the test kit")
end)
