--- Finds code that runs after an exit in header_filter, because a `return` is missing.

local coroutines = require "kong.response.testing.coroutines"
local position = require "kong.response.testing.position"


local find = string.find
local getinfo = debug.getinfo
local gethook = debug.gethook
local gsub = string.gsub
local is_of_coroutines = coroutines.is_here
local is_ours = position.is_ours
local jit = jit
local match = string.match
local resumer = coroutines.resumer
local running_coroutine = coroutine.running
local sethook = debug.sethook


-- Patterns of lines that only leave a function or a loop.
local LEAVES = {
  "^%s*end[%s%)%]},;]*$",
  "^%s*else%s*$",
  "^%s*break%s*;?%s*$",
  "^%s*return%s*;?%s*$",
  "^%s*return%s*;?%s+end[%s%)%]},;]*$",
  "^%s*return%s+[%w_,%s]+;?%s*$",
}


-- Returns the text of a line of a source, without a comment at its end.
local function line_of(source, number)
  local path = match(source, "^@(.*)")
  local text = path and position.line_of(path, number)
  return text and (match(text, "^(.-)%s*%-%-") or text)
end


local function only_leaves(info)
  local text = line_of(info.source, info.currentline)
  if not text then
    return info.currentline == info.lastlinedefined and info.linedefined ~= info.lastlinedefined
  end
  -- Replace strings with a number, because the patterns allow only words as values.
  text = gsub(text, "([\"'])[^\"'\\]*%1", "0")
  for i = 1, #LEAVES do
    if find(text, LEAVES[i]) then
      return true
    end
  end
  return false
end


--- Adds the methods to the class `Strict` of `strict.lua`.
return function(Strict)
  --- Is called before a handler.
  function Strict:before(handler)
    if self.session.phase == "header_filter" then
      self.inside = handler
      -- LuaJIT does not call hooks in compiled code.
      jit.off(handler, true)
    end
  end


  --- Is called after a handler.
  function Strict:after()
    if self.hooked then
      sethook(self.hook, self.mask, self.count)
      self.hooked = false
    end
    if self.inside then
      jit.on(self.inside, true)
      self.inside = nil
    end
  end


  --- Is called when `ngx.exit` returns in header_filter. A hook then finds the next code that runs
  -- in the handler, because the handler should end.
  function Strict:exited_in_filter()
    if not self.inside or self.hooked then
      return
    end

    -- The current line of each function on the stack: the rest of these lines may run.
    local calling = {}
    local thread, level = running_coroutine(), 2
    local info = getinfo(level, "fl")
    while info do
      calling[info.func] = info.currentline
      level = level + 1
      info = getinfo(thread, level, "fl")
      if not info then
        thread, level = resumer(thread), 0
        info = thread and getinfo(thread, level, "fl")
      end
    end

    self.hooked = true
    self.hook, self.mask, self.count = gethook()
    sethook(function(event)
      local at
      if event == "line" then
        at = getinfo(2, "Slf")
        if is_ours(at.source) or calling[at.func] == at.currentline or only_leaves(at) then
          return
        end
      elseif is_of_coroutines(getinfo(2, "S").source) then
        -- The kit's own code only passes on the exit from the coroutine.
        return
      else
        -- A call: take the line of the caller. After a tail call, there is only the called
        -- function.
        at = getinfo(3, "Slf")
        if not at then
          at = getinfo(2, "Slf")
        elseif is_ours(at.source) then
          return
        end
      end
      sethook(self.hook, self.mask, self.count)
      self.hooked = false
      self:mistake("code ran after an exit in header_filter, at %s:%d", at.short_src,
                   at.currentline)
    end, "cl")
  end
end
