--- Reports what went wrong in a test: errors of handlers and timers, and hints about their causes.

local lacking = require "kong.response.testing.lacking"
local modules = require "kong.response.testing.modules"
local plugins = require "kong.response.testing.plugins"
local position = require "kong.response.testing.position"


local concat = table.concat
local error = error
local find = string.find
local fmt = string.format
local getlocal = debug.getlocal
local getmetatable = getmetatable
local match = string.match
local pcall = pcall
local tostring = tostring
local type = type


local ERR = 4

-- A test waits for no time, so this takes less than a second.
local MAX_WAITS = 100000


-- Whether an error is a failed assertion of busted, or a pending test.
local function is_failure(err)
  local kind = type(err) == "table" and (getmetatable(err) or {}).__type
  return kind == "failure" or kind == "pending"
end


-- For an error about an argument, returns the call and its arguments as text.
local function explain_call(call, text)
  if not call or not find(text, " must be ", 1, true) and not find(text, "invalid header", 1, true)
  then
    return nil
  end
  local shown = {}
  for i = 1, call[2] do
    local value = call[i + 2]
    shown[i] = type(value) == "string" and fmt("%q", value) or type(value) == "table" and "{...}"
               or tostring(value)
  end
  return fmt("the call was kong.response.%s(%s)", call[1], concat(shown, ", "))
end


-- Returns a hint for an error about a misspelt field of the config, or nil.
local function config_hint(session, text)
  local entry, handler = session.running, session.handler
  local known = entry and plugins.config_fields(entry)
  if known then
    return lacking.config_hint(text, type(handler) == "function" and getlocal(handler, 2) or nil,
                               known)
  end
end


-- Adds a hint for a failure, and reports the failure to strict mode.
-- @tparam table session
-- @tparam string text the error
-- @tparam[opt] string message the line of the log, by default the error
local function explain(session, text, message)
  local hint = lacking.hint(text) or config_hint(session, text)
               or not message and explain_call(session.last_call, text)
  if hint and not (session.strict and session.strict.noted[hint]) then
    session:hint(hint)
  end
  text = message or text
  if session.strict then
    session.strict:failed(text)
  end
end


--- Adds the methods to the class `Session` of `session.lua`.
return function(Session)
  --- Returns the place of the running plugin for messages: ` at <file>:<line>`. After a tail call,
  -- it returns the place of the handler. Without a plugin, it returns an empty string.
  function Session:place()
    if not self.handler then
      return ""
    end
    local line = position.of_plugin()
    local handler = not line and position.of_function(self.handler)
    return line and " at " .. line or handler and " in the handler at " .. handler or ""
  end


  --- Adds a hint for messages of failed tests.
  function Session:hint(text)
    for i = 1, #self.hints do
      if self.hints[i] == text then
        return
      end
    end
    self.hints[#self.hints + 1] = text
  end


  --- Reports that code has called a function of `kong` with a colon: its first argument is its own
  -- table.
  -- @tparam string path the path of that table, for example `kong.request`
  -- @tparam string name
  function Session:called_with_colon(path, name)
    self:hint(fmt("%s:%s(...)%s: call it with a dot", path, name, self:place()))
    if self.strict then
      self.strict:called_with_colon(path, name)
    end
  end


  --- Reports that code has read a misspelt field of its config.
  -- @tparam string text
  -- @tparam ?string line
  function Session:misread(text, line)
    if self.strict then
      self.strict:mistake_at(line and ", at " .. line or "", "%s", text)
    else
      self:hint(text)
    end
  end


  --- Reports that code has called a method of `kong.cache` with a dot, so that its first argument
  -- is missing.
  function Session:called_with_dot(name)
    self:hint(fmt("kong.cache.%s(...)%s: call it with a colon", name, self:place()))
  end


  --- Returns the text of an error that a handler has raised. If the error is a failed assertion of
  -- the test, it also fails the test.
  -- @treturn string
  function Session:caught(err)
    modules.forget_failed()
    if is_failure(err) and not self.failure then
      self.failure = err
    end
    local ok, text = pcall(tostring, err)
    return ok and modules.shorten(text) or "(error object is a " .. type(err) .. " value)"
  end


  --- Fails the test at its end, because the test has a mistake. Raises the error as well, but the
  -- plugin may catch it.
  -- @raise the text, with the line of the plugin
  function Session:fail_test(text)
    local line = position.of_plugin()
    text = line and line .. ": " .. text or text
    self.failure = self.failure or text
    error(text, 0)
  end


  --- Looks for the cause of an error that the plugin gets as a value, for example from a callback
  -- of `kong.cache` or a thread. If the kit lacks something, this fails the test at its end.
  function Session:passed_on(err)
    if is_failure(err) then
      self.failure = self.failure or err
      return
    end
    local text = tostring(err)
    local hint, is_of_test = lacking.hint(text)
    hint = hint or config_hint(self, text)
    if is_of_test then
      self.failure = self.failure or match(text, "^[^\n]*") .. "\n" .. hint
    elseif hint and not (self.strict and self.strict.noted[hint]) then
      self:hint(hint)
    end
  end


  --- Fails the test if its code waits so often that it would wait forever in nginx.
  function Session:count_wait()
    self.wait_count = self.wait_count + 1
    if self.wait_count > MAX_WAITS then
      self.failure = self.failure or fmt(
        "%s: the code has waited %d times in one test: what it waits for does not happen",
        position.of_plugin() or "?", MAX_WAITS)
      error(self.failure, 0)
    end
  end


  --- Logs the error of a handler.
  function Session:failed(err)
    local text = self:caught(err)
    local has_position = find(text, "^[^\n]-:%d+: ")
    self:write_log(ERR, text, not has_position and position.of_function(self.handler) or nil)
    explain(self, text)
  end


  --- Reports the error of a handler that the life cycle has called. The life cycle logs the error.
  function Session:handler_failed(err)
    local text = self:caught(err)
    explain(self, text)
  end


  --- Reports the error of a timer, which is in the log.
  function Session:timer_failed(err)
    self:passed_on(err)
    local text = tostring(err)
    local needs_request = find(text, "no phase in ngx.ctx.KONG_PHASE", 1, true)
                          or find(text, "API disabled in the current context", 1, true)
    local hint = needs_request and "a timer has no request: pass it the values that it needs"
                 or lacking.hint(text)
    if hint then
      self:hint(hint)
    end
    if self.strict then
      self.strict:timer_failed(text)
    end
  end


  --- Logs the error of `init_worker` or `configure`.
  function Session:failed_to_start(err, level, message)
    local text = self:caught(err)
    self:write_log(level, message)
    explain(self, text, message)
  end
end
