--- `ngx.shared`: the dictionaries that a test declares.

local clock = require "kong.response.testing.clock"


local error = error
local fmt = string.format
local match = string.match
local pairs = pairs
local setmetatable = setmetatable
local sort = table.sort
local tonumber = tonumber
local tostring = tostring
local type = type


local MAX_KEY = 65535

-- The default size of a dictionary, in bytes.
local DEFAULT_SIZE = 10 * 1024 * 1024

local UNITS = { [""] = 1, k = 1024, m = 1024 * 1024 }

-- The default maximum number of keys for `get_keys`.
local MAX_KEYS = 1024

local VALUES = { string = true, number = true, boolean = true }


local Dictionary = {}
Dictionary.__index = Dictionary


-- Returns a key as text, or nil and an error.
local function key_of(key)
  if key == nil then
    return nil, "nil key"
  end
  key = tostring(key)
  if key == "" then
    return nil, "empty key"
  elseif #key > MAX_KEY then
    return nil, "key too long"
  end
  return key
end


local function check(self)
  if type(self) ~= "table" or not self.entries then
    error('bad "zone" argument', 3)
  end
end


local function expires(seconds)
  seconds = seconds or 0
  if type(seconds) ~= "number" then
    seconds = tonumber(seconds) or error('bad "exptime" argument', 3)
  end
  if seconds < 0 then
    error('bad "exptime" argument', 3)
  end
  return seconds > 0 and clock.now() + seconds or nil
end


local function is_stale(entry)
  return entry.expires ~= nil and entry.expires <= clock.now()
end


-- Returns an entry that has not expired, or nil.
local function live(self, key)
  local entry = self.entries[key]
  if entry and not is_stale(entry) then
    return entry
  end
end


-- Returns the size of an entry in bytes. nginx needs a little more.
local function size_of(key, value)
  return #key + (type(value) == "string" and #value or 8)
end


local function remove(self, key)
  local entry = self.entries[key]
  if entry then
    self.used = self.used - size_of(key, entry.list and "" or entry.value)
    self.entries[key] = nil
  end
end


-- Removes the entries that were used least recently, until `size` bytes fit. Returns whether it has
-- removed an entry that has not expired.
local function evict(self, size)
  local keys = {}
  for key, entry in pairs(self.entries) do
    keys[#keys + 1] = { key, entry.used }
  end
  sort(keys, function(one, other)
    return one[2] < other[2]
  end)
  local forcible = false
  for i = 1, #keys do
    if self.used + size <= self.size then
      break
    end
    forcible = forcible or live(self, keys[i][1]) ~= nil
    remove(self, keys[i][1])
  end
  return forcible
end


local function touch(self, entry)
  self.turn = self.turn + 1
  entry.used = self.turn
end


local function put(self, key, entry, is_safe)
  local size = size_of(key, entry.list and "" or entry.value)
  remove(self, key)
  local forcible = false
  if self.used + size > self.size then
    if is_safe then
      return false, "no memory", false
    elseif size > self.size then
      return false, "no memory", true
    end
    forcible = evict(self, size)
  end
  self.entries[key] = entry
  self.used = self.used + size
  touch(self, entry)
  return true, nil, forcible
end


local function store(self, name, value, exptime, flags, options)
  local key, err = key_of(name)
  if not key then
    return nil, err
  elseif value ~= nil and not VALUES[type(value)] then
    return nil, "bad value type"
  end
  local time = expires(exptime)
  local entry = live(self, key)
  if value == nil and (options.new or options.old) then
    return false, "attempt to add or replace nil values", false
  elseif options.new and entry then
    return false, "exists", false
  elseif options.old and not entry then
    return false, "not found", false
  elseif value == nil then
    remove(self, key)
    return true, nil, false
  end
  local flag = tonumber(flags or 0)
  return put(self, key, {
    value = value, expires = time, flags = flag ~= 0 and flag or nil,
  }, options.safe)
end


for name, options in pairs {
  set = {},
  safe_set = { safe = true },
  add = { new = true },
  safe_add = { new = true, safe = true },
  replace = { old = true },
} do
  Dictionary[name] = function(self, key, value, exptime, flags)
    check(self)
    local ok, err, forcible = store(self, key, value, exptime, flags, options)
    return ok, err, forcible
  end
end


function Dictionary:delete(key)
  return self:set(key, nil)
end


function Dictionary:get(name)
  check(self)
  local key, err = key_of(name)
  if not key then
    return nil, err
  end
  local entry = live(self, key)
  if not entry then
    return nil
  elseif entry.list then
    return nil, "value is a list"
  end
  touch(self, entry)
  return entry.value, entry.flags
end


function Dictionary:get_stale(name)
  check(self)
  local key, err = key_of(name)
  if not key then
    return nil, err
  end
  local entry = self.entries[key]
  if not entry then
    return nil
  elseif entry.list then
    return nil, "value is a list"
  end
  return entry.value, entry.flags, is_stale(entry)
end


function Dictionary:incr(name, value, init, init_ttl)
  check(self)
  local key, err = key_of(name)
  if not key then
    return nil, err
  end
  value = tonumber(value) or error("cannot convert 'nil' to 'double'", 2)
  if init ~= nil then
    local kind = type(init)
    init = tonumber(init) or error("bad init arg: number expected, got " .. kind, 2)
  end
  if init_ttl ~= nil then
    init_ttl = tonumber(init_ttl)
    if not init_ttl or init_ttl < 0 then
      error('bad "init_ttl" argument', 2)
    elseif not init then
      error('must provide "init" when providing "init_ttl"', 2)
    end
  end
  local entry = live(self, key)
  if not entry then
    if not init then
      return nil, "not found"
    end
    local ok, failure, forcible = put(self, key, {
      value = init + value, expires = expires(init_ttl),
    })
    if not ok then
      return nil, failure, forcible
    end
    return init + value, nil, forcible
  elseif type(entry.value) ~= "number" then
    return nil, "not a number"
  end
  entry.value = entry.value + value
  touch(self, entry)
  if init then
    return entry.value, nil, false
  end
  return entry.value
end


function Dictionary:ttl(name)
  check(self)
  local key, err = key_of(name)
  if not key then
    return nil, err
  end
  local entry = self.entries[key]
  if not entry then
    return nil, "not found"
  end
  return entry.expires and entry.expires - clock.now() or 0
end


function Dictionary:expire(name, exptime)
  check(self)
  local key, err = key_of(name)
  if not key then
    return nil, err
  end
  exptime = tonumber(exptime) or error('bad "exptime" argument', 2)
  -- For nginx, a negative time means that the entry does not expire.
  local time = exptime > 0 and clock.now() + exptime or nil
  local entry = live(self, key)
  if not entry then
    return nil, "not found"
  end
  entry.expires = time
  return true
end


function Dictionary:get_keys(max)
  check(self)
  max = max or MAX_KEYS
  local found = {}
  for key, entry in pairs(self.entries) do
    if not is_stale(entry) then
      found[#found + 1] = { key, entry.used }
    end
  end
  -- Like nginx, the key that was used last comes first.
  sort(found, function(one, other)
    return one[2] > other[2]
  end)
  local keys = {}
  for i = 1, max > 0 and max < #found and max or #found do
    keys[i] = found[i][1]
  end
  return keys
end


function Dictionary:flush_all()
  check(self)
  self.entries, self.used = {}, 0
end


function Dictionary:flush_expired(max)
  check(self)
  max = max or 0
  local stale = {}
  for key, entry in pairs(self.entries) do
    if is_stale(entry) and (max <= 0 or #stale < max) then
      stale[#stale + 1] = key
    end
  end
  for i = 1, #stale do
    remove(self, stale[i])
  end
  return #stale
end


function Dictionary:capacity()
  check(self)
  return self.size
end


function Dictionary:free_space()
  check(self)
  return self.size - self.used
end


-- Returns the list under a key, or nil and an error. `makes` makes a missing list.
local function list_of(self, name, makes)
  local key, err = key_of(name)
  if not key then
    return nil, err
  end
  local entry = live(self, key)
  if entry and not entry.list then
    return nil, "value not a list"
  elseif not entry and makes then
    entry = { list = {} }
    put(self, key, entry)
  end
  return entry and entry.list, nil, key
end


local function push(self, name, value, place)
  if type(value) ~= "string" and type(value) ~= "number" then
    return nil, "bad value type"
  end
  local list, err = list_of(self, name, true)
  if not list then
    return nil, err
  end
  table.insert(list, place or #list + 1, value)
  return #list
end


local function pop(self, name, from_end)
  local list, err, key = list_of(self, name)
  if not list then
    return nil, err
  end
  local value = table.remove(list, from_end and #list or 1)
  if #list == 0 then
    remove(self, key)
  end
  return value
end


function Dictionary:lpush(key, value)
  check(self)
  return push(self, key, value, 1)
end


function Dictionary:rpush(key, value)
  check(self)
  return push(self, key, value)
end


function Dictionary:lpop(key)
  check(self)
  return pop(self, key, false)
end


function Dictionary:rpop(key)
  check(self)
  return pop(self, key, true)
end


function Dictionary:llen(key)
  check(self)
  local list, err = list_of(self, key)
  if not list then
    if err then
      return nil, err
    end
    return 0
  end
  return #list
end


local function bytes_of(size)
  local number, unit = match(tostring(size):lower(), "^(%d+)([km]?)$")
  return number and tonumber(number) * UNITS[unit]
end


local _M = {}


--- Makes the dictionaries that a test declares.
-- @tparam[opt] table declared names, or sizes by name: `{ "cache", counters = "1m" }`
-- @treturn table
-- @raise `shared must have the names of dictionaries, got <type>`, `shared["<name>"] must be a size
--   such as "1m", got <value>`
function _M.new(declared)
  local dictionaries = {}
  for name, size in pairs(declared or {}) do
    if type(name) == "number" then
      name, size = size, DEFAULT_SIZE
    end
    local bytes = bytes_of(size)
    if type(name) ~= "string" then
      error(fmt("shared must have the names of dictionaries, got %s", type(name)), 0)
    elseif not bytes then
      error(fmt("shared[%q] must be a size such as \"1m\", got %s", name, tostring(size)), 0)
    end
    local dictionary = { entries = {}, used = 0, turn = 0, size = bytes }
    dictionaries[name] = setmetatable(dictionary, Dictionary)
  end
  return dictionaries
end


return _M
