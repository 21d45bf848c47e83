--- The running test. Plugins store the tables `kong` and `ngx` (`local ngx = ngx`), so these stay
-- the same in all tests, and find the running test here.

local error = error
local fmt = string.format
local next = next
local rawset = rawset


local _M = {}


--- The session of the running test; nil outside of a test.
_M.session = nil


--- Returns the session of the running test.
-- @raise `no test of kong.response.testing is running`
function _M.current()
  local session = _M.session
  if not session then
    error("no test of kong.response.testing is running", 3)
  end
  return session
end


-- The phases without a request.
local WITHOUT_REQUEST = { timer = true, init_worker = true }


--- Returns the session of the running test, for functions that need a request.
-- @raise `no test of kong.response.testing is running`, `API disabled in the current context`
function _M.request()
  local session = _M.session
  if not session then
    error("no test of kong.response.testing is running", 3)
  elseif WITHOUT_REQUEST[session.host:get_phase()] then
    error("API disabled in the current context", 3)
  end
  return session
end


--- Returns nginx's error for a function that a phase does not allow.
function _M.disabled_in(phase)
  if phase == "timer" then
    return "API disabled in the context of ngx.timer"
  end
  return fmt("API disabled in the context of %s_by_lua*", phase)
end


-- The lines that modules have logged while they were loaded.
local loading


--- Logs a line for the running test. While plugins are loaded, it stores the line for the next
-- test.
-- @raise `no test of kong.response.testing is running`
function _M.log(level, message)
  local session = _M.session
  if session then
    session:write_log(level, message)
  elseif loading then
    loading[#loading + 1] = { level, message }
  else
    error("no test of kong.response.testing is running", 3)
  end
end


--- Starts storing lines for the next test.
function _M.start_loading()
  loading = loading or {}
end


--- Returns the lines that were stored while plugins were loaded, and stops storing lines.
function _M.take_loading()
  local lines = loading or {}
  loading = nil
  return lines
end


--- Stores the fields of a table.
-- @treturn function restores them, and removes added fields
function _M.keep(table)
  local kept = {}
  for key, value in next, table do
    kept[key] = value
  end
  local count = 0
  for _ in next, kept do
    count = count + 1
  end
  return function()
    local found = 0
    for key, value in next, table do
      local before = kept[key]
      if before == value then
        found = found + 1
      elseif before == nil then
        rawset(table, key, nil)
      else
        found = found + 1
        rawset(table, key, before)
      end
    end
    if found < count then
      for key, value in next, kept do
        rawset(table, key, value)
      end
    end
  end
end


return _M
