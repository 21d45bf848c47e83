--- `kong.plugins.base_plugin`: the class that plugins of gateways before 3.0 extend.
--
--     local Plugin = require("kong.plugins.base_plugin"):extend()
--
--     function Plugin:new()
--       Plugin.super.new(self, "my-plugin")
--     end
--
--     function Plugin:access(config)
--       Plugin.super.access(self)
--     end

local find = string.find
local getmetatable = getmetatable
local pairs = pairs
local setmetatable = setmetatable
local tostring = tostring
local type = type


local PHASES = {
  "init_worker", "certificate", "rewrite", "access", "header_filter", "body_filter", "log",
  "preread",
}


-- The base class. A class is the metatable of its instances and of its subclasses.
local Object = {}
Object.__index = Object


function Object.new()
end


function Object:extend()
  local class = {}
  for name, value in pairs(self) do
    if find(name, "^__") then
      class[name] = value
    end
  end
  class.__index = class
  class.super = self
  return setmetatable(class, self)
end


function Object:implement(...)
  for _, class in pairs { ... } do
    for name, value in pairs(class) do
      if self[name] == nil and type(value) == "function" then
        self[name] = value
      end
    end
  end
end


function Object:is(class)
  local metatable = getmetatable(self)
  while metatable do
    if metatable == class then
      return true
    end
    metatable = getmetatable(metatable)
  end
  return false
end


function Object.__tostring()
  return "Object"
end


function Object:__call(...)
  local object = setmetatable({}, self)
  object:new(...)
  return object
end


local BasePlugin = Object:extend()


function BasePlugin:new(name)
  self._name = name
end


for _, phase in pairs(PHASES) do
  BasePlugin[phase] = function(self)
    ngx.log(ngx.DEBUG, "executing plugin \"", tostring(self._name), "\": ", phase)
  end
end


return BasePlugin
