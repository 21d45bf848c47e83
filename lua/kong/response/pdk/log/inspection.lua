--- `kong.log.inspect`: writes values in a frame, for people who debug.

local inspect = require "kong.response.pdk.log.inspect"
local formats = require "kong.response.pdk.log.format"


local concat = table.concat
local fmt = string.format
local getinfo = debug.getinfo
local gmatch = string.gmatch
local rep = string.rep
local select = select
local setmetatable = setmetatable
local sub = string.sub

local WIDTH = 120


--- Makes `kong.log.inspect`.
-- @tparam ?string namespace
-- @tparam function write `write(line)`
return function(namespace, write)
  local is_on = true

  local function show(count, ...)
    local caller = getinfo(2, "Sln")
    local head = fmt("[kong] %s:%s:%d [%s] ", formats.file(caller), caller.name or "?",
                     caller.currentline, namespace or formats.CORE)
    write(head .. rep("-", WIDTH + 1 - #head) .. "+")

    local texts = {}
    for i = 1, count do
      texts[i] = inspect((select(i, ...)))
    end
    for line in gmatch(concat(texts, " ") .. "\n", "(.-)\n") do
      line = sub(line, 1, WIDTH)
      write("|" .. line .. rep(" ", WIDTH - #line) .. "|")
    end
    write("+" .. rep("-", WIDTH) .. "+")
  end

  return setmetatable({
    on = function()
      is_on = true
    end,
    off = function()
      is_on = false
    end,
  }, {
    __call = function(_, ...)
      if is_on then
        return show(select("#", ...), ...)
      end
    end,
  })
end
