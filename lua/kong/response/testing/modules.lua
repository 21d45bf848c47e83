--- The modules that `require` returns while a test runs.

local lacking = require "kong.response.testing.lacking"
local names = require "kong.response.names"
local native = require("kong.response.testing.native").ngx
local services = require "kong.response.testing.services"
local splits = require "kong.response.testing.ngx.split"
local threads = require "kong.response.testing.ngx.threads"


local find = string.find
local fmt = string.format
local gsub = string.gsub
local loaded = package.loaded
local match = string.match
local pairs = pairs
local require = require
local setmetatable = setmetatable
local sub = string.sub
local type = type


-- The kit's own versions of modules that need nginx or a network.
local KIT_MODULES = {
  ["ngx.re"] = splits,
  ["ngx.semaphore"] = threads.semaphore,
  ["ngx.base64"] = {
    encode_base64url = function(text)
      if type(text) ~= "string" then
        return nil, "must provide a string"
      end
      return (gsub(native.encode_base64(text, true), "[+/]", { ["+"] = "-", ["/"] = "_" }))
    end,
    decode_base64url = function(text)
      if type(text) ~= "string" then
        return nil, "must provide a string"
      elseif find(text, "[+/=]") then
        return nil, "invalid input"
      end
      local plain = native.decode_base64((gsub(text, "[-_]", { ["-"] = "+", ["_"] = "/" })))
      if not plain then
        return nil, "invalid input"
      end
      return plain
    end,
  },
  ["resty.http"] = services.http,
}


for name, module in pairs(KIT_MODULES) do
  setmetatable(module, { __index = lacking.index(fmt("require(%q)", name), module) })
end

-- The value of a module in `package.loaded` while `require` loads it, and after that has failed.
local LOADING
package.preload["kong.response.testing.loading"] = function(name)
  LOADING = loaded[name]
end
require "kong.response.testing.loading"
package.preload["kong.response.testing.loading"] = nil
loaded["kong.response.testing.loading"] = nil

-- The Debian packages of modules that most plugins need.
local PACKAGES = { ["cjson"] = "lua-cjson", ["cjson.safe"] = "lua-cjson" }

-- The modules that a misspelt name may mean.
local SUGGESTED = {}
for name in pairs(KIT_MODULES) do
  SUGGESTED[name] = true
end
for name in pairs(PACKAGES) do
  SUGGESTED[name] = true
end

local _M = {}


--- Removes the modules that `require` could not load. The next `require` then raises the error of
-- the module again, not `loop or previous error loading module`. Call it after an error.
function _M.forget_failed()
  for name, module in pairs(loaded) do
    if module == LOADING then
      loaded[name] = nil
    end
  end
end


--- Whether a module is loaded. It is not if `require` has failed.
function _M.is_loaded(name)
  return loaded[name] ~= nil and loaded[name] ~= LOADING
end


-- Whether a module is the handler's module, or is in the same folder.
local function is_of_plugin(name, handler)
  local folder = (match(handler, "^(.*)%.[^.]+$") or handler) .. "."
  return name == handler or find(name, folder, 1, true) == 1
end


--- Replaces modules for a test.
-- @tparam[opt] table given the modules of the test, by name
-- @tparam[opt] table handlers names of the modules of the plugins' handlers. If the test has
--   modules, `require` loads the modules in the folders of the handlers again, because they may
--   have stored the result of an earlier `require`.
-- @treturn function restores the modules
function _M.install(given, handlers)
  local before, added = {}, {}
  local function replace(name, module)
    before[name] = loaded[name]
    added[name] = true
    loaded[name] = module
  end
  for name, module in pairs(KIT_MODULES) do
    replace(name, module)
  end
  if given then
    for name, module in pairs(given) do
      replace(name, module)
    end
    for i = 1, #(handlers or {}) do
      for name in pairs(loaded) do
        if is_of_plugin(name, handlers[i]) and not added[name] then
          before[name], added[name] = loaded[name], true
        end
      end
    end
    for name in pairs(added) do
      if not KIT_MODULES[name] and given[name] == nil then
        loaded[name] = nil
      end
    end
  end
  return function()
    for i = 1, #(given and handlers or {}) do
      for name in pairs(loaded) do
        if is_of_plugin(name, handlers[i]) then
          loaded[name] = nil
        end
      end
    end
    for name in pairs(added) do
      loaded[name] = before[name]
    end
  end
end


-- The lines of the places where `require` has searched. In a long text, the last one can be cut
-- off.
local SEARCHED = {
  "^\n\tno field package%.preload%['[^'\n]*'%]()", "^\n\tno file '[^'\n]*'()",
  "^\n\tno [^\n]- %.%.%.()",
}


local function after_searched(text, at)
  for i = 1, #SEARCHED do
    local after = match(text, SEARCHED[i], at)
    if after then
      return after_searched(text, after)
    end
  end
  return at
end


--- Shortens the text about a missing module to two lines, wherever it stands in a message.
-- @treturn string
-- @treturn boolean whether the message has such a text
function _M.shorten(message)
  local from, to, name = find(message, "module '([^'\n]+)' not found:")
  if not from then
    return message, false
  end
  local package = PACKAGES[name]
  local told = fmt("module '%s' not found%s\n%sadd it to the case's modules: "
                   .. "modules = { [%q] = ... } (docs/testing.md)",
                   name, package and "" or names.suggestion(name, SUGGESTED),
                   package and fmt("install it (on Debian: apt install %s), or ", package) or "",
                   name)
  return sub(message, 1, from - 1) .. told .. sub(message, after_searched(message, to + 1)), true
end


--- Shortens an error about a missing module, and adds hints to other errors.
function _M.explain(message)
  if type(message) ~= "string" then
    return message
  end
  local text, is_missing = _M.shorten(message)
  local hint = not is_missing and lacking.hint(text)
  return hint and text .. "\n" .. hint or text
end


return _M
