-- The kit's `ngx` answers as nginx's: the same calls in both.

local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local served = require "spec.support.served"
local testing = require "kong.response.testing"


local CALLS = "spec/kit/fixtures/ngx_calls.lua"
local IN_PHASES = "spec/kit/fixtures/ngx_in_phases.lua"


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


local PHASES = { "rewrite", "access", "header_filter", "body_filter", "log" }

-- Notes what the phase sees, and at the end of the log phase also what a timer sees.
local NOTE = [[ require("noted").phase() ]]

local NOTED = [==[
local calls = assert(loadfile("%{dir}/calls.lua"))()
local in_phases = assert(loadfile("%{dir}/in_phases.lua"))()

local _M = { calls = calls, in_phases = in_phases }
local noted = {}

function _M.phase()
  local phase = ngx.get_phase()
  if phase == "rewrite" then
    noted = { group = ngx.var.uri:sub(2) }
  elseif noted[phase] then
    return
  end
  local group = noted.group
  noted[phase] = calls.outcomes_of(in_phases[group])
  if phase == "log" then
    ngx.timer.at(0, function()
      noted.timer = calls.outcomes_of(in_phases[group])
      noted.group = nil
      for name, text in pairs(noted) do
        local file = assert(io.open("%{dir}/noted." .. name, "wb"))
        file:write(text)
        file:close()
      end
      ngx.log(ngx.NOTICE, "all <<noted>>")
    end)
  end
end

return _M
]==]


local function case_of(path, plugin)
  return testing.run {
    plugin = plugin, gateway = false, strict = false, shared = { d = "1m" },
    nginx_version = "1.22.1",
    upstream = {
      body = "hello",
      headers = {
        ["X-Out"] = "out", ["Content-Type"] = "text/plain", ["Set-Cookie"] = "a=b; Path=/",
      },
    },
    request = {
      method = "POST", path = path, body = "p=1", variables = { foo = "" },
      headers = {
        Host = "Example", ["X-In"] = "in", Cookie = "b=1; c=2", ["Content-Type"] = "text/x",
      },
    },
  }
end


served.describe("in the kit as in nginx,", function()
  local settings = {
    http = "lua_shared_dict d 1m;",
    files = {
      ["calls.lua"] = nginx.read("../kit/fixtures/ngx_calls.lua"),
      ["in_phases.lua"] = nginx.read("../kit/fixtures/ngx_in_phases.lua"), ["noted.lua"] = NOTED,
    },
  }
  local directives = {}
  for i, phase in ipairs(PHASES) do
    directives[i] = phase .. "_by_lua_block { " .. NOTE .. " }"
  end
  settings.locations = "location /in_phases { set $foo ''; " .. table.concat(directives, "\n") .. [[
      content_by_lua_block { ngx.print("hello") }
    }
    location /variables {
      proxy_http_version 1.1;
      proxy_pass http://127.0.0.1:%{upstream_port};
    ]] .. table.concat(directives, "\n") .. [[
    }
    location / {
      access_by_lua_block {
        local noted = require "noted"
        ngx.header["Content-Type"] = "text/plain"
        local text = noted.calls.outcomes_of(noted.in_phases[ngx.var.uri:sub(2)])
        ngx.print("\n", text)
        return ngx.exit(200)
      }
    }
  ]]
  settings.servers = [[
    server {
      listen 127.0.0.1:%{upstream_port};
      location / {
        content_by_lua_block {
          ngx.header["X-Out"], ngx.header["Content-Type"] = "out", "text/plain"
          ngx.header["Set-Cookie"], ngx.header["Content-Length"] = "a=b; Path=/", 5
          ngx.print("hello")
        }
      }
    }
  ]]
  return nginx.start(settings)
end, function(server)
  for _, group in ipairs { "in_phases", "variables" } do
    it("functions and variables work in the same phases: " .. group, function()
      server:request {
        method = "POST", path = "/" .. group .. "?a=1", body = "p=1",
        headers = { "Host: Example", "X-In: in", "Cookie: b=1; c=2", "Content-Type: text/x" },
      }
      assert.equal("noted", server:wait_log("all <<(noted)>>"))

      local calls, in_phases = dofile(CALLS), nil
      local noted, plugin = {}, {}
      local function note(name)
        in_phases = in_phases or dofile(IN_PHASES)
        noted[name] = noted[name] or calls.outcomes_of(in_phases[group])
      end
      for _, phase in ipairs(PHASES) do
        plugin[phase] = function()
          note(phase)
          if phase == "log" then
            ngx.timer.at(0, function() note("timer") end)
          end
        end
      end
      case_of("/" .. group .. "?a=1", plugin)
      for phase, text in pairs(noted) do
        local of_nginx = process.read_file(server.dir .. "/noted." .. phase)
        assert.same(lines_of(of_nginx), lines_of(text), phase)
      end
      assert.is_string(noted.timer)
    end)
  end

  for _, group in ipairs { "outputs", "arguments" } do
    it("functions take the same arguments: " .. group, function()
      local r = server:request { method = "POST", path = "/" .. group, body = "p=1" }
      local result = case_of("/" .. group, { access = function()
        local in_phases = dofile(IN_PHASES)
        ngx.header["Content-Type"] = "text/plain"
        local text = dofile(CALLS).outcomes_of(in_phases[group])
        ngx.print("\n", text)
        return ngx.exit(200)
      end })
      assert.same(lines_of(r.body), lines_of(result.body))
    end)
  end
end)
