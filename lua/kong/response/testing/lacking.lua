--- Finds out which missing field causes an error of a plugin.
--
-- If code reads a field of `kong` or `ngx` that does not exist, the field is nil, as in nginx. This
-- module records which missing fields code has read. Lua's error names only the last part:
-- `attempt to call field 'set_heder' (a nil value)`.

local names = require "kong.response.names"
local position = require "kong.response.testing.position"


local find = string.find
local fmt = string.format
local getinfo = debug.getinfo
local gmatch = string.gmatch
local match = string.match
local pairs = pairs
local tonumber = tonumber
local type = type


-- The table and its path for each missing name that code has read. A module runs its top only once,
-- but all later tests use its local variables.
local at_top, in_test = {}, {}

-- Fields that are nil in a gateway as well, with the hint for each.
local NIL_IN_GATEWAYS = {
  ["kong.ctx.plugin"] = "kong.ctx.plugin is nil in init_worker, in configure and in timers",
}

local _M = {}


--- The table `kong`, with all its parts.
_M.kong = {}


--- Forgets what the last test has read.
function _M.start()
  in_test = {}
end


-- Records a missing field. `level` is that of the code that reads it.
local function record(path, name, known, level)
  if type(name) == "string" then
    local reader = getinfo(level + 1, "S")
    local missed = reader and reader.what == "main" and at_top or in_test
    missed[name] = { path = path, known = known }
  end
end


--- Records a missing field. Call it in a function `__index`.
-- @tparam string path the path of its table, for example `ngx.req`. `:` at the end stands for
--   methods.
-- @param name
-- @tparam[opt] table known a table with the correct names as keys
function _M.note(path, name, known)
  record(path, name, known, 3)
end


--- Makes an `__index` function that records missing fields.
function _M.index(path, known)
  return function(_, name)
    record(path, name, known, 2)
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


-- Returns the path of a function of `kong` with this name, or with `get_` before it. It prefers the
-- part in which the name was read, and then the first path in the alphabet.
local function elsewhere(path, name)
  local best
  local function look(part, own)
    for key, value in pairs(part) do
      if type(value) == "table" and type(key) == "string" then
        look(value, own .. "." .. key)
      elseif key == name or key == "get_" .. name then
        local found = own .. "." .. key
        local is_near = find(found, path .. ".", 1, true) == 1
        local best_is_near = best and find(best, path .. ".", 1, true) == 1
        if type(value) == "function" and (key == name or is_near)
          and (not best or is_near and not best_is_near
               or is_near == best_is_near and found < best)
        then
          best = found
        end
      end
    end
  end
  if find(path, "^kong%.") then
    for key, part in pairs(_M.kong) do
      if type(part) == "table" and type(key) == "string" and key ~= "configuration" then
        look(part, "kong." .. key)
      end
    end
  end
  return best
end


-- Returns the expression that a local variable stands for: `ngx.encode_base64` for `b64`, if the
-- file of the error has `local b64 = ngx.encode_base64`.
local function aliased(message, alias)
  local path = match(message, "([^\n:]+):%d+: ")
  local source = path and position.read(path)
  return source and match(source, "%f[%w_]" .. alias .. "%s*=%s*([%w_.]+%.[%w_]+)")
end


--- Returns a hint for an error about a missing field of `kong` or `ngx`, or nil.
-- @treturn ?string
-- @treturn ?boolean whether the test can add the field
function _M.hint(message)
  local name = match(message, "attempt to %l+ [%l ]+ '([%w_]+)' %(a nil value%)")
  if not name then
    return nil
  end
  local miss = in_test[name] or at_top[name]
  if not miss then
    name = match(aliased(message, name) or "", "([%w_]+)$")
    miss = name and (in_test[name] or at_top[name])
  end
  if not miss then
    return nil
  end
  local full = miss.path .. (find(miss.path, ":$") and "" or ".") .. name
  local meant = meant_by(miss, name)
  if meant then
    return fmt('there is no %s: did you mean "%s"?', full, meant)
  end
  local other = elsewhere(miss.path, name)
  if other then
    return fmt('there is no %s: did you mean "%s"?', full, other)
  end
  if miss.path == "ngx.shared" then
    return fmt("the case declares no dictionary %q: shared = { %q } (docs/testing.md)", name,
               name), true
  end
  local global = match(miss.path, "^kong%f[^%w]") or match(miss.path, "^ngx%f[^%w]")
  if NIL_IN_GATEWAYS[full] then
    return NIL_IN_GATEWAYS[full]
  end
  local advice = global and fmt(": add it to the case's %s", global) or ""
  return fmt("the kit has no %s%s (docs/testing.md)", full, advice), true
end


-- Names of the config, beside that in the handler.
local CONFIGS = { conf = true, config = true, plugin_conf = true }


-- Returns the misspelt field in an expression such as `config.claimz`, and the right name.
local function misspelt(expression, parameter, known)
  local first, rest = match(expression, "^([%w_]+)%.(.*)$")
  if not first or not CONFIGS[first] and first ~= parameter then
    return nil
  end
  local path = ""
  for name in gmatch(rest, "[%w_]+") do
    if known[name] == nil then
      local meant = names.nearest(name, known)
      return meant and path .. name, meant and path .. meant
    end
    path, known = path .. name .. ".", known[name]
    if type(known) ~= "table" then
      return nil
    end
  end
end


--- Returns a hint for an error about nil in a line that reads a misspelt field of the config, or
-- nil.
-- @tparam string message
-- @tparam ?string parameter the name of the config in the handler
-- @tparam table known the names of the fields, each with the names of its own fields, or true
function _M.config_hint(message, parameter, known)
  local path, number, text = match(message, "^([^\n:]+):(%d+): ([^\n]*)")
  if not path or not find(text, "%f[%w]nil%f[%W]") and not find(text, "no value", 1, true) then
    return nil
  end
  local line = position.line_of(path, tonumber(number)) or ""
  local alias = match(text, "local '([%w_]+)'") or match(text, "upvalue '([%w_]+)'")
  for expression in gmatch(line .. " " .. (alias and aliased(message, alias) or ""), "[%w_.]+") do
    local name, meant = misspelt(expression, parameter, known)
    if name then
      return fmt("the config has no field %q: did you mean %q?", name, meant)
    end
  end
end


return _M
