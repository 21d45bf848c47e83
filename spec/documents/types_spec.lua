--- The types, which editors read, say what the modules are and what the documents say.

local luacats = require "spec.support.luacats"
local trees = require "spec.support.trees"


local flat = luacats.flat

-- The modules that the documents tell people to load.
local MODULES = {
  ["kong.pdk.response"] = true,
  ["kong.response"] = true,
  ["kong.response.instance"] = true,
  ["kong.response.json"] = true,
  ["kong.response.lifecycle"] = true,
  ["kong.response.testing"] = true,
}

-- Fields of modules that only other modules of the library use.
local INTERNAL = {
  ["kong.response.instance"] = { for_tests = true, test = true },
}


local function read(path)
  return trees.run("cat " .. path)
end


local function types_of(module)
  return luacats.read("types/" .. module:gsub("%.", "/") .. ".lua")
end


local function names(list)
  local found = {}
  for i, item in ipairs(list) do
    found[i] = item.name
  end
  return found
end


--- The functions that a type file gives to the module itself.
local function functions_of(module)
  local found = {}
  local owner = read("types/" .. module:gsub("%.", "/") .. ".lua"):match("\nreturn ([%w_]+)\n*$")
  for _, described in pairs(types_of(module).functions) do
    if described.owner == owner then
      found[described.name] = described
    end
  end
  return found
end


local function parameters_of(f)
  local found = {}
  for i = 1, debug.getinfo(f, "u").nparams do
    found[i] = debug.getlocal(f, i)
  end
  return found
end


local documents = trees.run("cat README.md docs/*.md docs/functions/*.md")


--- The arguments and results of a function in its chapter.
local function chapter(name)
  local text = read("docs/functions/" .. name .. ".md")
  local returns, arguments =
    text:match("%*%*syntax:%*%* `(.-)kong%.response%." .. name .. "(%b())`")
  assert(arguments, name)
  local errors = text:match("%*%*errors:%*%*(.*)$") or ""
  local same_as = errors:match("^ those of %[([%w_]+)%]")
  return {
    returns = names(luacats.parameters(returns)),
    arguments = luacats.parameters(arguments),
    phases = flat(text:match("%*%*phases:%*%* (.-)\n\n")),
    errors = same_as and chapter(same_as).errors
             or errors:gsub("\n```.*$", ""):gsub("\n##.*$", ""),
  }
end


--- The messages in a text: what stands between backticks and has a space.
local function messages(text)
  local found = {}
  for code in flat(text):gmatch("`([^`]+)`") do
    if code:find(" ", 1, true) then
      found[#found + 1] = code
    end
  end
  return found
end


describe("the types", function()
  it("are valid Lua, and exist for each module that users load", function()
    local found = {}
    for path in trees.run("find types -name '*.lua'"):gmatch("[^\n]+") do
      assert(loadfile(path))
      local module = path:match("^types/(.*)%.lua$"):gsub("/", ".")
      -- The global and its parts: spec/pdk/types_spec.lua checks these. `require` finds modules of
      -- a gateway only where plugins run: `make types` checks schemas that use them.
      if module ~= "kong" and not module:find("^pdk%.") and not module:find("^kong%.db%.") then
        assert.equal(module, luacats.read(path).meta)
        found[module] = true
      end
    end
    assert.same(MODULES, found)
    for module in pairs(MODULES) do
      assert.is_truthy(documents:find(module, 1, true))
    end
  end)

  it("have a tag for each parameter, in the same order", function()
    for module in pairs(MODULES) do
      for name, described in pairs(types_of(module).functions) do
        assert.same(described.arguments, names(described.params), module .. ": " .. name)
      end
    end
  end)

  it("have the functions and values of each module, and no others", function()
    for module in pairs(MODULES) do
      local described = functions_of(module)
      local fields = types_of(module).classes[module]
      for key, value in pairs(require(module)) do
        if not (INTERNAL[module] or {})[key] then
          local what = module .. "." .. key
          if type(value) == "function" then
            assert.is_truthy(described[key], what)
          else
            assert.is_truthy(fields[key], what)
          end
        end
      end
      for name in pairs(described) do
        assert.equal("function", type(require(module)[name]), module .. "." .. name)
      end
      for name in pairs(fields) do
        assert.is_not_nil(require(module)[name], module .. "." .. name)
      end
    end
  end)

  it("have the parameters of functions in Lua", function()
    for _, module in ipairs {
      "kong.pdk.response", "kong.response.instance", "kong.response.lifecycle",
      "kong.response.testing",
    } do
      for name, described in pairs(functions_of(module)) do
        assert.same(parameters_of(require(module)[name]), described.arguments, name)
      end
    end
  end)

  it("name only errors of the documents", function()
    local known = flat(documents)
    for module in pairs(MODULES) do
      for name, described in pairs(types_of(module).functions) do
        for _, message in ipairs(messages(described.text:match("%*%*Errors:%*%*(.*)$") or "")) do
          assert.is_truthy(known:find("`" .. message .. "`", 1, true)
            or known:find(message, 1, true), name .. ": " .. message)
        end
      end
    end
  end)
end)


describe("the types of kong.response", function()
  local described = functions_of("kong.response")

  for name in pairs(require "kong.response") do
    describe("describe " .. name .. " as its chapter does:", function()
      local says = chapter(name)

      it("parameters and results", function()
        assert.same(names(says.arguments), described[name].arguments)
        assert.same(says.arguments, described[name].params)
        assert.same(says.returns, described[name].returns)
      end)

      it("phases", function()
        local phases = flat(described[name].text:match("%*%*Phases:%*%* (.*)$"))
        assert.equal(says.phases, phases:match("^[%w_, ]*[%w_]"))
      end)

      it("errors", function()
        local errors = flat(described[name].text:match("%*%*Errors:%*%*(.*)$") or "")
        local expected = messages(says.errors)
        for _, message in ipairs(expected) do
          assert.is_truthy(errors:find("`" .. message .. "`", 1, true), message)
        end
        assert.equal(#expected == 0, errors == "")
      end)
    end)
  end

  it("have overloads of exit and error, with their parameters", function()
    for _, name in ipairs { "exit", "error" } do
      local overloads = described[name].overloads
      assert.equal(4, #overloads)
      for _, overload in ipairs(overloads) do
        local i = 0
        for parameter in overload:gsub("%b<>", ""):gmatch("([%w_]+)%??: ") do
          i = i + 1
          assert.equal(described[name].arguments[i], parameter, overload)
        end
        assert.is_true(i >= 1)
      end
    end
  end)

  it("name the messages that every function may raise", function()
    local text = read("types/kong/response.lua"):gsub("\n%-%-%-", "\n")
    local count = 0
    for message in read("docs/errors.md"):gmatch("\n| `([^`]+)` |") do
      count = count + 1
      assert.is_truthy(flat(text):find("`" .. message .. "`", 1, true), message)
    end
    assert.is_true(count >= 4)
    for _, message in ipairs(messages(text:match("every one may raise:(.-)\n\n"))) do
      -- The types have a pattern where the documents have an example.
      local pattern = message:gsub("<phase>", "log"):gsub("<phases>.*$", "")
      assert.is_truthy(flat(documents):find(pattern, 1, true), message)
    end
  end)
end)


describe("the types of arguments and results", function()
  -- Unlike any type that a field may have.
  local WRONG = coroutine.create(function() end)

  --- The names that a function accepts as fields of its argument.
  local function known(fields, call)
    for name in pairs(fields) do
      local ok, err = pcall(call, name)
      assert.is_false(ok)
      assert.is_nil(tostring(err):find("unknown ", 1, true), err)
    end
  end

  --- The table of known fields in a source file, a name for each.
  local function source_fields(path, name)
    local text = assert(read(path):match("\nlocal " .. name .. " = (%b{})"), path .. ": " .. name)
    return loadstring("return " .. text)()
  end

  local function assert_same_fields(expected, fields)
    local one, other = {}, {}
    for name in pairs(expected) do one[name] = true end
    for name in pairs(fields) do other[name] = true end
    assert.same(one, other)
  end

  it("have the options", function()
    local instance = require "kong.response.instance"
    local classes = types_of("kong.response.instance").classes
    local options = classes["kong.response.instance.Options"]
    assert_same_fields(source_fields("lua/kong/response/instance.lua", "OPTIONS"), options)
    known(options, function(name) instance.new { [name] = WRONG } end)
    local templates = classes["kong.response.instance.ErrorTemplates"]
    assert_same_fields(source_fields("lua/kong/response/instance.lua", "DOCUMENTS"), templates)
    known(templates, function(name) instance.new { error_templates = { [name] = WRONG } } end)
  end)

  it("have the fields of a test", function()
    local testing = require "kong.response.testing"
    local classes = types_of("kong.response.testing").classes
    for class, source in pairs {
      Case = { "testing/cases.lua", "FIELDS" },
      Entry = { "testing/plugins.lua", "ENTRY_FIELDS" },
      Request = { "testing/request.lua", "FIELDS" },
      Client = { "testing/request.lua", "CLIENT_FIELDS" },
      Upstream = { "testing/upstream.lua", "FIELDS" },
    } do
      assert_same_fields(source_fields("lua/kong/response/" .. source[1], source[2]),
        classes["kong.response.testing." .. class])
    end
    known(classes["kong.response.testing.Case"], function(name) testing.run { [name] = WRONG } end)
  end)

  it("have the fields of a result", function()
    local result = require("kong.response.testing").run { plugin = {} }
    local classes = types_of("kong.response.testing").classes
    local fields = classes["kong.response.testing.Result"]
    for name in pairs(fields) do
      assert.is_not_nil(result[name], name)
    end
    for name in pairs(result) do
      -- for the methods of the result only
      if name ~= "has_body" and name ~= "hints" then
        assert.is_string(fields[name], name)
      end
    end
    for level in pairs(classes["kong.response.testing.Log"]) do
      if level ~= "[integer]" then
        assert.is_table(result.log[level], level)
      end
    end
  end)

  it("have the functions of a life cycle, and the fields of its plugins", function()
    local before = rawget(_G, "kong")
    local lifecycle = require("kong.response.lifecycle").new {}
    rawset(_G, "kong", before)

    local types = types_of("kong.response.lifecycle")
    local described = {}
    for _, entry in pairs(types.functions) do
      if entry.owner == "phases" then
        described[entry.name] = true
        assert.same(parameters_of(lifecycle[entry.name]), entry.arguments)
      end
    end
    assert_same_fields(lifecycle, described)
    assert_same_fields(source_fields("lua/kong/response/lifecycle/entries.lua", "FIELDS"),
      types.classes["kong.response.lifecycle.Entry"])
    for _, phase in ipairs(require("kong.response.plugin_phases").OF_REQUEST) do
      assert.is_string(types.classes["kong.response.Plugin"][phase], phase)
    end
  end)
end)
