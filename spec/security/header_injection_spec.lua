-- No byte in a header's name or value, wherever a plugin may give one, splits it or adds another.

local stages = require "spec.support.stages"
local wire = require "spec.support.wire"

local fmt = string.format


-- Makes `given`, a list of { name, value }; runs in nginx and here.
local VALUES = [[
  local given = {}
  for b = 0, 255 do
    local c = string.char(b)
    for i, value in ipairs {
      c, c .. "x", "x" .. c, "x" .. c .. "Evil: 1", "x\r" .. c .. "\nEvil: 1", c .. c .. "Evil: 1",
    } do
      given[#given + 1] = { ("X-%d-%d"):format(b, i), value }
    end
  end
]]

local NAMES = [[
  local given = {}
  for b = 0, 255 do
    local c = string.char(b)
    for i, name in ipairs {
      c .. "X", "X" .. c, "X" .. c .. "Evil: 1", "X\r" .. c .. "\nEvil: 1\r\nX",
    } do
      given[#given + 1] = { ("Y%d-%d-"):format(b, i) .. name, "v" }
      given[#given + 1] = { name .. ("-%d-%d"):format(b, i), "v" }
    end
  end
]]

-- Calls with the headers in `given`, and the number of times that each value is sent.
local CALLS = {
  ["set_header"] = {
    "for _, h in ipairs(given) do response.set_header(h[1], h[2]) end", 1,
  },
  ["set_header with an array"] = {
    "for _, h in ipairs(given) do response.set_header(h[1], { h[2], h[2] }) end", 2,
  },
  ["add_header"] = {
    [=[for _, h in ipairs(given) do
        response.add_header(h[1], h[2])
        response.add_header(h[1], { h[2] })
      end]=], 2,
  },
  ["set_headers"] = {
    [=[local headers = {}
      for _, h in ipairs(given) do headers[h[1]] = h[2] end
      response.set_headers(headers)]=], 1,
  },
  ["set_headers with arrays"] = {
    [=[local headers = {}
      for _, h in ipairs(given) do headers[h[1]] = { h[2], h[2] } end
      response.set_headers(headers)]=], 2,
  },
  ["exit"] = {
    [=[local headers = {}
      for _, h in ipairs(given) do headers[h[1]] = h[2] end
      response.exit(200, "exit", headers)]=], 1, exits = true,
  },
  ["exit with arrays, delayed"] = {
    [=[local headers = {}
      for _, h in ipairs(given) do headers[h[1]] = { h[2], h[2] } end
      ngx.ctx.delay_response = true
      coroutine.wrap(function() response.exit(200, "exit", headers) end)()
      ngx.ctx.delayed_response_callback()]=], 2, exits = true, yields = true,
  },
  ["error"] = {
    [=[local headers = {}
      for _, h in ipairs(given) do headers[h[1]] = h[2] end
      response.error(400, "error", headers)]=], 1, exits = true,
  },
}

local STAGES = { "rewrite", "access", "content", "header_filter" }

-- The headers that nginx adds itself.
local OWN = {
  ["server"] = true, ["date"] = true, ["content-type"] = true, ["content-length"] = true,
  ["transfer-encoding"] = true, ["connection"] = true,
}

local BUILTIN = {
  "Server", "Date", "Content-Encoding", "Location", "Refresh", "Last-Modified", "Content-Range",
  "Accept-Ranges", "Expires", "ETag", "Content-Type", "WWW-Authenticate", "Cache-Control", "Link",
  "Set-Cookie", "Connection", "grpc-message", "grpc-status",
}


local function escape(text, pattern)
  return (text:gsub(pattern, function(c)
    return fmt("%%%02X", c:byte())
  end))
end


local function sent_name(name)
  name = name:gsub("_", "-")
  return escape(name, "[^%w!#$%%&'*+%-.^_`|~]")
end


local function sent_value(value)
  return escape(value, "[%z\1-\8\10-\31\127]")
end


local function given_by(generator)
  return assert(loadstring(generator .. " return given"))()
end


local function trimmed(text)
  return (text:gsub("^[ \t]+", ""):gsub("[ \t]+$", ""))
end


--- The headers that are sent for `given`, as { name, value }, sorted.
local function expected_of(given, times, change)
  local lines = {}
  for _, header in ipairs(given) do
    for _ = 1, times do
      lines[#lines + 1] = change(sent_name(header[1]), sent_value(header[2]))
    end
  end
  table.sort(lines)
  return lines
end


local function lines_of(fields, change)
  local lines = {}
  for _, field in ipairs(fields) do
    if not OWN[field[1]:lower()] then
      lines[#lines + 1] = change(field[1], field[2])
    end
  end
  table.sort(lines)
  return lines
end


-- The first that differs says more than both lists.
local function assert_same_lines(expected, got, told)
  for i = 1, math.max(#expected, #got) do
    assert.equal(expected[i], got[i], told)
  end
end


local function http1_line(name, value)
  return name .. ": " .. value
end


-- curl shows no blanks around a value.
local function http2_line(name, value)
  return name:lower() .. ": " .. trimmed(value)
end


describe("no header can be split or added", function()
  local server, client

  setup(function()
    server = stages.start {
      http = "keepalive_requests 1000000;",
    }
  end)

  teardown(function()
    server:stop()
  end)

  before_each(function()
    client = wire.connect(server)
  end)

  after_each(function()
    client:close()
  end)

  local function ask(case)
    client:send("GET", server:target(stages.merge({ path = "/" }, case)))
    local response, err = client:receive("GET")
    assert.is_nil(err)
    assert.equal("", client.rest)
    return response
  end

  for what, generator in pairs { names = NAMES, values = VALUES } do
    for name, call in pairs(CALLS) do
      for _, stage in ipairs(STAGES) do
        -- in the header filter nothing yields
        if not (call.yields and stage == "header_filter") then
          it("by " .. name .. " in " .. stage .. ": " .. what, function()
            local code = generator .. call[1]
            if stage == "content" and not call.exits then
              code = code .. " ngx.print('content')"
            end
            local response = ask { [stage] = code }
            local expected = expected_of(given_by(generator), call[2], http1_line)
            assert_same_lines(expected, lines_of(response.fields, http1_line))
            for own in pairs(OWN) do
              assert.is_true(#wire.values(response, own) <= 1, own)
            end
          end)
        end
      end

      it("by " .. name .. " over HTTP/2: " .. what, function()
        local r = server:run { http2 = true, access = generator .. call[1] }
        assert.equal(0, r.exit, r.error)
        assert.equal("2", r.version)
        local expected = expected_of(given_by(generator), call[2], http2_line)
        assert_same_lines(expected, lines_of(r.headers, http2_line))
      end)
    end
  end

  it("by a header that nginx knows", function()
    for b = 0, 255 do
      local value = "x" .. string.char(b) .. "\r\nEvil: 1"
      for _, name in ipairs(BUILTIN) do
        for _, call in ipairs {
          "response.set_header(%q, %q)",
          "response.add_header(%q, { %q })",
          "response.exit(200, 'exit', { [%q] = %q })",
        } do
          local response = ask { access = fmt(call, name, value) }
          assert.same({}, wire.values(response, "evil"))
          local values = wire.values(response, name:lower())
          if name == "Connection" then
            table.remove(values, 1) -- nginx's own
          end
          assert.same({ sent_value(value) }, values, name)
        end
      end
    end
  end)

  it("by the Content-Type given to error", function()
    for b = 0, 255 do
      for _, media in ipairs {
        "text/html", "text/plain", "application/json", "application/xml", "x", "application/grpc",
      } do
        local value = media .. string.char(b) .. "\r\nEvil: 1"
        local response = ask {
          content = fmt("response.error(400, 'no', { content_type = %q })", value),
        }
        assert.equal(400, response.status)
        assert.same({}, wire.values(response, "evil"))
        assert.same({ sent_value(value) }, wire.values(response, "content-type"))
      end
    end
  end)

  it("by the message for a gRPC client", function()
    local bytes = {}
    for b = 0, 255 do
      bytes[#bytes + 1] = "x" .. string.char(b) .. "\r\nEvil: 1"
    end
    local encoded = table.concat(bytes):gsub("[^ -$&-~]", function(byte)
      return fmt("%%%02X", byte:byte())
    end)
    for _, call in ipairs {
      "response.exit(403, message)",
      "response.exit(403, { message = message })",
      "response.exit(403, message, { ['grpc-message'] = message })",
    } do
      local r = server:run {
        http2 = true,
        headers = { "Content-Type: application/grpc", "TE: trailers" },
        access = [[
          local bytes = {}
          for b = 0, 255 do bytes[#bytes + 1] = "x" .. string.char(b) .. "\r\nEvil: 1" end
          local message = table.concat(bytes)
        ]] .. call,
      }
      assert.equal(0, r.exit, r.error)
      assert.equal("", r.body)
      assert.same({}, r:values("evil"))
      assert.same({ encoded }, r:values("grpc-message"))
      assert.same({ "7" }, r:values("grpc-status"))
    end
  end)
end)
