--- The test that is running.
-- What plugins hold on to (`local ngx = ngx` at the top of a file) stays the same from test to test
-- and asks here which of them it is now.

local error = error
local next = next
local rawset = rawset


local _M = {}


--- The session of the running test, nil outside of one.
_M.session = nil


--- The session of the running test.
-- @raise `no test of kong.response.testing is running`
function _M.current()
  local session = _M.session
  if not session then
    error("no test of kong.response.testing is running", 3)
  end
  return session
end


-- What modules have logged while they were loaded.
local loading


--- Logs a line: to the running test, or, while its plugins are loaded, for it.
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


--- Keeps what is logged from now on, for the test that runs next.
function _M.start_loading()
  loading = loading or {}
end


--- The lines that were logged while plugins were loaded.
function _M.take_loading()
  local lines = loading or {}
  loading = nil
  return lines
end


--- Remembers the fields of a table.
-- @treturn function puts them back: what was added is gone, what was replaced or removed is there
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
