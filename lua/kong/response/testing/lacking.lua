--- Records the missing fields of `kong` and `ngx` that the tested code has read. Lua's error names
-- only the last part: `attempt to call field 'set_heder' (a nil value)`.

local names = require "kong.response.names"


local fmt = string.format
local match = string.match
local open = io.open
local pairs = pairs
local type = type


-- The table and its path for each missing name that code has read.
local missed = {}

-- Fields that are nil in a gateway as well, with the hint for each.
local NIL_IN_GATEWAYS = {
  ["kong.ctx.plugin"] = "kong.ctx.plugin is nil in init_worker, in configure and in timers",
}

local _M = {}


--- Records a missing field.
-- @tparam string path the path of its table, for example `ngx.req`
-- @param name
-- @tparam[opt] table known a table with the correct names as keys
function _M.note(path, name, known)
  if type(name) == "string" then
    missed[name] = { path = path, known = known }
  end
end


--- Makes an `__index` function that records missing fields.
function _M.index(path, known)
  return function(_, name)
    if type(name) == "string" then
      missed[name] = { path = path, known = known }
    end
  end
end


local function meant_by(miss, name)
  local known = {}
  for key in pairs(miss.known or {}) do
    if type(key) == "string" then
      known[key] = true
    end
  end
  return names.meant(name, known)
end


-- Returns the field that a local name stands for: `encode_base64` for `b64`, if the file has
-- `local b64 = ngx.encode_base64`.
local function aliased(message, alias)
  local path = match(message, "([^\n:]+):%d+: attempt to ")
  local file = path and open(path, "rb")
  if not file then
    return nil
  end
  local source = file:read("*a")
  file:close()
  return match(source, "%f[%w_]" .. alias .. "%s*=%s*[%w_.]+%.([%w_]+)")
end


--- Returns a hint for an error about a missing field of `kong` or `ngx`, or nil.
function _M.hint(message)
  local name = match(message, "attempt to %l+ [%l ]+ '([%w_]+)' %(a nil value%)")
  if not name then
    return nil
  end
  local miss = missed[name]
  if not miss then
    name = aliased(message, name)
    miss = name and missed[name]
  end
  if not miss then
    return nil
  end
  local meant = meant_by(miss, name)
  if meant then
    return fmt('there is no %s.%s: did you mean "%s"?', miss.path, name, meant)
  end
  if miss.path == "ngx.shared" then
    return fmt("the case declares no dictionary %q: shared = { %q } (docs/testing.md)", name, name)
  end
  return NIL_IN_GATEWAYS[miss.path .. "." .. name]
         or fmt("the kit has no %s.%s: add it to the case's %s (docs/testing.md)", miss.path, name,
                match(miss.path, "^%l+"))
end


return _M
