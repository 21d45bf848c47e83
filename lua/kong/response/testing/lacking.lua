--- Remembers what code under test looked for in vain in the kit's `kong` and `ngx`. An error that
-- comes of it names only the last part: `attempt to index field 're' (a nil value)`.

local fmt = string.format
local match = string.match
local type = type


-- What was looked for, by its last part.
local missed = {}

local _M = {}


--- Remembers a field.
-- @tparam string path of its table: `ngx.req`
-- @param name
function _M.note(path, name)
  if type(name) == "string" then
    missed[name] = path
  end
end


--- An `__index` for a table of the kit's.
function _M.index(path)
  return function(_, name)
    _M.note(path, name)
  end
end


--- What may be behind an error; nil if it is nothing of the kit's.
function _M.hint(message)
  local name = match(message, "attempt to %l+ %l+ '([%w_]+)' %(a nil value%)")
  local path = name and missed[name]
  return path and fmt("the kit has no %s.%s: give it in the case's %s (docs/testing.md)", path,
                      name, match(path, "^%l+"))
end


return _M
