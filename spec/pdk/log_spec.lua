local pdk = require "spec.support.pdk"


--- The lines of a log that kong.log has written, from "[level]" on and without what nginx appends.
local function lines(r)
  local found = {}
  for level, text in r.log:gmatch("%[(%l+)%] %d+#%d+: [^\n]-(%[kong%] [^\n]*)") do
    found[#found + 1] = level .. " " .. text:gsub("^%[kong%] ", ""):gsub(", client: .*$", "")
      :gsub(" while %l+ .*$", "")
  end
  return found
end


pdk.each("kong.log", { log_level = "debug", both_bindings = true }, function(server)
  it("writes the level, the plugin and its line", function()
    local r = server:run {
      access = [[
        kong.log("a")
        kong.log.debug("b") kong.log.info("c") kong.log.notice("d")
        kong.log.warn("e")
        kong.log.err("f") kong.log.crit("g") kong.log.alert("h") kong.log.emerg("i")
        kong.log.trace("j")
      ]],
    }
    local expected = {}
    for i, level in ipairs {
      "notice", "debug", "info", "notice", "warn", "error", "crit", "alert", "emerg",
    } do
      local line = i == 1 and 1 or i <= 4 and 2 or i == 5 and 3 or 4
      expected[i] = ("%s plugin.lua:%d [test-plugin] %s")
        :format(level, line, ("abcdefghi"):sub(i, i))
    end
    assert.same(expected, lines(r))
  end)

  it("joins its arguments with tostring", function()
    local r = server:run { access = [[
      kong.log.warn("a", 1, 1.5, nil, true, false, setmetatable({}, { __tostring = function()
        return "<x>"
      end }), nil)
      kong.log.err(nil)
      kong.log("")
    ]] }
    assert.same({
      "warn plugin.lua:1 [test-plugin] a11.5niltruefalse<x>nil",
      "error plugin.lua:4 [test-plugin] nil",
      "notice plugin.lua:5 [test-plugin] ",
    }, lines(r))
  end)

  it("raises an error without arguments", function()
    local r = server:run {
      raises = true,
      access = "note(fails(kong.log)) note(kong.log.error == nil)\nkong.log.err()",
    }
    assert.same({ "bad argument #1 to 'select' (index out of range)", true }, r.seen.access)
    assert.equal("plugin.lua:2: bad argument #1 to 'select' (index out of range)",
      r.errors.access)
  end)

  it("works in every phase, in timers and outside of plugins", function()
    local r = server:run {
      rewrite = "kong.log.warn('in rewrite')",
      access = [[
        local done
        ngx.timer.at(0, function()
          kong.log.warn("in a timer")
          done = true
        end)
        for _ = 1, 200 do
          if done then break end
          ngx.sleep(0.01)
        end
        ngx.ctx.KONG_LOG = nil
        kong.log.warn("in the core")
        kong.log.set_format("%namespace %message")
        kong.log.warn("in the core")
        kong.log.set_format()
        kong.log.warn("in the core")
        kong.log.set_format("%file_src:%line_src %message")
      ]],
      header_filter = "kong.log.warn('in header_filter')",
      log = "kong.log.warn('in log')",
    }
    assert.same({
      "warn plugin.lua:1 [test-plugin] in rewrite",
      "warn plugin.lua:3 in a timer, context: ngx.timer",
      "warn plugin.lua:11 in the core",
      "warn core in the core",
      "warn plugin.lua:15 [core] in the core",
      "warn plugin.lua:1 [test-plugin] in header_filter",
      "warn plugin.lua:1 [test-plugin] in log",
    }, lines(r))
  end)

  it("has formats for its lines", function()
    local r = server:run { access = [[
      local log = kong.log.new("mine",
        "%message|%namespace|%file_src|%line_src|%func_name|%other 100%")
      local function named()
        log.warn("a%b")
      end
      named()
      log.set_format("only %message")
      log.err("c")
      log.set_format()
      log.err("d")
      kong.log.new("theirs").info("e")
    ]] }
    assert.same({
      "warn a%b|mine|plugin.lua|4|named|%other 100%",
      "error only c",
      "error plugin.lua:10 [mine] d",
      "info plugin.lua:11 [theirs] e",
    }, lines(r))
  end)

  it("raises an error for unknown names and formats", function()
    local r = server:run { access = [[
      local log = kong.log
      note(fails(log.new), fails(log.new, 1), fails(log.new, ""), fails(log.new, "a", 1),
          fails(log.new, "a", ""), fails(log.set_format, 1))
    ]] }
    assert.same({
      "namespace must be a string", "namespace must be a string",
      "namespace cannot be an empty string", "format must be a string if specified",
      "format cannot be an empty string if specified", "format must be a string",
    }, r.seen.access)
  end)

  it("prints inspected values in a frame", function()
    local r = server:run { access = [[
      local log = kong.log.new("mine")
      log.inspect({ 1, "two", { three = true }, a = { b = {} }, ["c d"] = 'say "x"' }, nil, "\n")
      log.inspect.off()
      log.inspect("unseen")
      log.inspect.on()
      log.inspect(("x"):rep(130))
    ]] }
    local found = lines(r)
    local function framed(text)
      return "notice |" .. text .. (" "):rep(120 - #text) .. "|"
    end
    local texts = {}
    for line in r.log:gmatch("%[notice%] %d+#%d+: [^\n|+]-([|+][^\n]*)") do
      -- A head does not begin here.
      if line ~= "+" and not line:find("^%+,") then
        texts[#texts + 1] = "notice " .. line:gsub(", client: .*$", "")
      end
    end
    assert.equal("notice plugin.lua:?:2 [mine] " .. ("-"):rep(92) .. "+", found[1])
    assert.same({
      framed "{ 1, \"two\", {",
      framed "    three = true",
      framed "  },",
      framed "  a = {",
      framed "    b = {}",
      framed "  },",
      framed "  [\"c d\"] = 'say \"x\"'",
      framed "} nil \"\\n\"",
      "notice +" .. ("-"):rep(120) .. "+",
      framed('"' .. ("x"):rep(119)),
      "notice +" .. ("-"):rep(120) .. "+",
    }, texts)
  end)

  it("prints the name of the core in the frame", function()
    local r = server:run { access = "ngx.ctx.KONG_LOG = nil\nkong.log.inspect(1)" }
    assert.equal("notice plugin.lua:?:2 [core] " .. ("-"):rep(92) .. "+", lines(r)[1])
  end)

  it("logs deprecation notices", function()
    local r = server:run { access = [[
      kong.log.deprecation("a ", 1, { after = "1.0", removal = "2.0" })
      kong.log.deprecation("b", { after = "1.0" })
      kong.log.deprecation("c", { removal = "2.0" })
      kong.log.deprecation("d", {})
      kong.log.deprecation("e")
      kong.log.deprecation.write("f")
      kong.log.deprecation("g", { trace = true })
    ]] }
    local found = lines(r)
    assert.same({
      "warn plugin.lua:1 [test-plugin] a 1 (deprecated after 1.0, scheduled for removal in 2.0)",
      "warn plugin.lua:2 [test-plugin] b (deprecated after 1.0)",
      "warn plugin.lua:3 [test-plugin] c (scheduled for removal in 2.0)",
      "warn plugin.lua:4 [test-plugin] d",
      "warn plugin.lua:5 [test-plugin] e",
      "warn plugin.lua:6 [test-plugin] f",
    }, { unpack(found, 1, 6) })
    assert.matches("g \nstack traceback:\n\tplugin.lua:7:", r.log, 1, true)
  end)
end)


pdk.each("kong.log over a filter of levels", { log_level = "warn" }, function(server)
  it("does not evaluate messages below the level", function()
    local r = server:run { access = [[
      local asked = 0
      local value = setmetatable({}, { __tostring = function()
        asked = asked + 1
        return "x"
      end })
      for _ = 1, 200 do
        kong.log.debug(value)
        kong.log.notice(value)
        kong.log(value)
      end
      note(asked)
      kong.log.warn(value)
      note(asked)
    ]] }
    assert.same({ 0, 1 }, r.seen.access)
    assert.same({ "warn plugin.lua:12 [test-plugin] x" }, lines(r))
  end)
end)


describe("kong.log without access to nginx's raw log", function()
  it("names the caller's line", function()
    local written = {}
    local ngx = {
      EMERG = 1, ALERT = 2, CRIT = 3, ERR = 4, WARN = 5, NOTICE = 6, INFO = 7, DEBUG = 8, ctx = {},
      log = function(level, text)
        written[#written + 1] = level .. " " .. text
      end,
    }
    local kong, requests = require("kong.response.pdk").new({}, ngx)
    requests.enter_plugin(ngx.ctx, {}, "mine")
    local line = debug.getinfo(1, "l").currentline
    kong.log.err("a", 1)
    kong.log("b")
    requests.enter_plugin(ngx.ctx, {}, "")
    kong.log.debug("c")
    ngx.ctx = nil
    kong.log.debug("d")
    assert.same({
      ("4 [kong] log_spec.lua:%d [mine] a1"):format(line + 1),
      ("6 [kong] log_spec.lua:%d [mine] b"):format(line + 2),
      ("8 [kong] log_spec.lua:%d c"):format(line + 4),
      ("8 [kong] log_spec.lua:%d d"):format(line + 6),
    }, written)
  end)
end)


describe("kong.log.inspect", function()
  local inspect = require "kong.response.pdk.log.inspect"

  it("numbers the tables that appear several times", function()
    local twice, loop = { 1 }, {}
    loop.self = loop
    assert.equal("{ <1>{ 1 }, <table 1>, {} }", inspect { twice, twice, {} })
    assert.equal("<1>{\n  self = <table 1>\n}", inspect(loop))
    assert.equal("{\n  [<1>{ 1 }] = <table 1>\n}", inspect { [twice] = twice })
    assert.equal("<1>{ 1,\n  <metatable> = <table 1>\n}", inspect(setmetatable(twice, twice)))
  end)

  it("escapes control characters as inspect.lua does", function()
    assert.equal([["\a\b\t\n\v\f\r\\ \0 \31 \127 \0001 \0319 \a1"]],
      inspect "\a\b\t\n\v\f\r\\ \0 \31 \127 \0001 \0319 \a1")
    assert.equal([['say "x"']], inspect 'say "x"')
    assert.equal([["it's \"x\""]], inspect [[it's "x"]])
  end)
end)
