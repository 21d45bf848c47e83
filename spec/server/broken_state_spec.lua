-- Other code may replace the values that the library reads: ngx.ctx, the global kong, their fields.

local served = require "spec.support.served"
local stages = require "spec.support.stages"


-- In the order in which a gateway's fields are read.
local CALLS = {
  get_status = "", get_header = "'a'", get_headers = "", get_source = "", set_status = "201",
  set_header = "'X-A', 'b'", add_header = "'X-A', 'b'", clear_header = "'X-A'",
  set_headers = "{ a = 'b' }", exit = "200, 'x'", error = "404",
}


for _, gateway in ipairs { true, false } do
  served.describe("invalid state " .. (gateway and "in" or "without") .. " a gateway", function()
    return stages.start { gateway = gateway }
  end, function(server)
    local pids

    setup(function()
      pids = server:worker_pids()
    end)

    after_each(function()
      local r = server:run { content = "response.exit(403, 'sane', { ['X-A'] = 'b' })" }
      assert.equal(403, r.status)
      assert.equal("b", r:header("X-A"))
      assert.equal("sane", r.body)
      assert.same(pids, server:worker_pids())
      assert.is_nil(server:log():find("[alert]", 1, true))
      assert.is_nil(server:log():find("panicked at", 1, true))
    end)

    --- The errors of all functions, by name. `state` breaks the state before each call, and
    -- `mended` repairs it after the call.
    local function errors(state, mended)
      local code = { "local kept = ngx.ctx" }
      for name, arguments in pairs(CALLS) do
        code[#code + 1] = ([[
          %s
          local ok, err = pcall(function() response.%s(%s) end)
          %s
          note("%s", type(err), err)
        ]]):format(state, name, arguments, mended, name)
      end
      code[#code + 1] = "ngx.print('survived')"
      local r = server:run { content = table.concat(code, "\n") }
      assert.equal("survived", r.body)
      local found = {}
      for i = 1, #r.notes, 3 do
        local name, kind, text = unpack(r.notes, i, i + 2)
        found[name] = kind == "string" and text:match("^plugin%.lua:%d+: (.*)$") or kind
      end
      return found
    end

    --- The expected errors: this text for the functions of these names.
    local function each(text, names)
      local expected = {}
      for name in pairs(CALLS) do
        expected[name] = names[name] and text or "nil"
      end
      return expected
    end

    local ALL = CALLS
    local OF_CTX = gateway and ALL or { get_source = 1, exit = 1, error = 1 }

    for value, kind in pairs {
      ["'text'"] = "string", ["5"] = "number", ["true"] = "boolean", ["print"] = "function",
    } do
      it("of ngx.ctx, which is a " .. kind .. ", causes an error", function()
        assert.same(each("ngx.ctx must be a table, got " .. kind, OF_CTX),
          errors("rawset(ngx, 'ctx', " .. value .. ")", "rawset(ngx, 'ctx', nil)"))
      end)
    end

    it("of ngx.ctx, which nginx's Lua has lost, causes an error", function()
      assert.same(each("ngx.ctx must be a table, got nil", OF_CTX), errors([[
        local all, at = debug.getregistry().ngx_lua_ctx_tables
        for ref, ctx in pairs(all) do
          if ctx == kept then at = ref end
        end
        all[at] = nil
      ]], "all[at] = kept"))
    end)

    for value, kind in pairs {
      ["'access'"] = "string", ["'32'"] = "string", ["{}"] = "table", ["false"] = "boolean",
    } do
      it("of ngx.ctx.KONG_PHASE, which is " .. value .. ", causes an error", function()
        local expected = each("ngx.ctx.KONG_PHASE must be a number, got " .. kind, OF_CTX)
        local found = errors("ngx.ctx.KONG_PHASE = " .. value, "ngx.ctx.KONG_PHASE = nil")
        if not gateway then
          -- If the phase is not checked, only exit and error need it.
          expected.get_source, found.get_source = nil, nil
        end
        assert.same(expected, found)
      end)
    end

    it("of the global kong, which is a number, means that there is no gateway", function()
      for _, value in ipairs { "5", "'text'", "false", "print", "{ ctx = nil }" } do
        local r = server:run { content = [[
          local kept = kong
          rawset(_G, "kong", ]] .. value .. [[)
          local ok, err = pcall(function()
            response.set_header("X-Status", response.get_status())
            response.set_headers { ["X-Count"] = select("#", response.get_headers()) }
            response.set_header("X-Source", response.get_source())
          end)
          rawset(_G, "kong", kept)
          ngx.print(tostring(ok), " ", tostring(err))
        ]] }
        assert.equal("true nil", r.body)
        assert.equal("0", r:header("X-Status"))
        assert.equal("error", r:header("X-Source"))
      end
    end)

    it("of the configuration causes the default values", function()
      for _, value in ipairs { "5", "'text'", "{ configuration = 5 }" } do
        local r = server:run { content = [[
          local kept = kong
          rawset(_G, "kong", ]] .. value .. [[)
          local headers = response.get_headers()
          rawset(_G, "kong", kept)
          ngx.print(type(headers))
        ]] }
        assert.equal("table", r.body)
      end
    end)

    it("of delay_response is read as Lua reads a boolean", function()
      for value, delayed in pairs {
        ["5"] = true, ["'no'"] = true, ["{}"] = true, ["false"] = false,
      } do
        local r = server:run { content = [[
          local ctx = ngx.ctx
          ctx.delay_response = ]] .. value .. [[

          coroutine.wrap(function() response.exit(403, "sent at once") end)()
          ngx.print("delayed ", ctx.delayed_response.content)
        ]] }
        assert.equal(delayed and "delayed sent at once" or "sent at once", r.body)
      end
    end)

    it("of delayed_response lets the next exit be sent at once", function()
      for _, value in ipairs { "5", "'text'", "true", "print" } do
        local r = server:run { content = [[
          ngx.ctx.delay_response, ngx.ctx.delayed_response = true, ]] .. value .. [[

          response.exit(403, "sent at once")
        ]] }
        assert.equal(403, r.status)
        assert.equal("sent at once", r.body)
      end
    end)

    --- The error of the callback of a delayed response after `change`. It must send nothing.
    local function callback(change)
      local r = server:run { content = [[
        local ctx = ngx.ctx
        ctx.delay_response = true
        coroutine.wrap(response.exit)(403, "no", { ["X-A"] = "b" })
        ]] .. change:gsub("\n", " ") .. [[

        local ok, err = pcall(function() ctx.delayed_response_callback(ctx) end)
        ngx.print(type(err), " ", tostring(err))
      ]] }
      assert.equal(200, r.status)
      assert.is_nil(r:header("X-A"))
      return (r.body:gsub("^string plugin%.lua:5: ", ""))
    end

    for change, text in pairs {
      ["ctx.delayed_response = nil"] = "ctx.delayed_response must be a table, got nil",
      ["ctx.delayed_response = 5"] = "ctx.delayed_response must be a table, got number",
      ["ctx.delayed_response = 'text'"] = "ctx.delayed_response must be a table, got string",
      ["ctx.delayed_response = {}"] = "code must be a number",
      ["ctx.delayed_response.status_code = '403'"] = "code must be a number",
      ["ctx.delayed_response.status_code = 0/0"]
        = "code must be a number between 100 and 599",
      ["ctx.delayed_response.content = 5"] = "body must be a nil, string or table",
      ["ctx.delayed_response.content = { print }"]
        = "body encoding failed while flushing response: "
          .. "Cannot serialise function: type not supported",
      ["ctx.delayed_response.headers = 'text'"] = "headers must be a nil or table",
      ["ctx.delayed_response.headers = { 'text' }"]
        = 'invalid header name "1": got number, expected string',
      ["ctx.delayed_response = setmetatable({}, { __index = function() error('hidden', 0) end })"]
        = "hidden",
      ["local f = ctx.delayed_response_callback ctx = { delayed_response_callback = f }"]
        = "ctx.delayed_response must be a table, got nil",
      ["local f = ctx.delayed_response_callback ctx.delayed_response_callback = function() "
        .. "f(5) end"] = "ctx must be a table, got number",
    } do
      it("of a delayed response causes an error: " .. change, function()
        assert.equal(text, (callback(change):gsub("^plugin%.lua:%d+: ", "")
          :gsub("^string plugin%.lua:%d+: ", "")))
      end)
    end
  end)
end
