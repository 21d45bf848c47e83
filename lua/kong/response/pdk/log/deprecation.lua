--- `kong.log.deprecation`: a warning about something that a later version removes.

local concat = table.concat
local fmt = string.format
local select = select
local setmetatable = setmetatable
local traceback = debug.traceback
local type = type


--- Makes `kong.log.deprecation`.
-- @tparam function warn `kong.log.warn`
return function(warn)
  return setmetatable({ write = warn }, {
    __call = function(_, ...)
      local count = select("#", ...)
      local meta = select(count, ...)
      if count == 0 or type(meta) ~= "table" then
        return warn(concat({ ... }))
      end

      local text = concat({ ... }, "", 1, count - 1)
      if meta.after and meta.removal then
        text = fmt("%s (deprecated after %s, scheduled for removal in %s)", text, meta.after,
                   meta.removal)
      elseif meta.after then
        text = fmt("%s (deprecated after %s)", text, meta.after)
      elseif meta.removal then
        text = fmt("%s (scheduled for removal in %s)", text, meta.removal)
      end
      if meta.trace then
        text = traceback(text .. " ", 2)
      end
      return warn(text)
    end,
  })
end
