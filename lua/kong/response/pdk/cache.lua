--- `kong.cache`: a cache in each worker, which loads missing values with callbacks.

local lru = require "kong.response.pdk.lru"


local error = error
local fmt = string.format
local pcall = pcall
local select = select
local tostring = tostring
local traceback = debug.traceback
local type = type
local unpack = unpack or table.unpack -- luacheck: ignore 143
local xpcall = xpcall

-- The default maximum number of entries.
local SIZE = 10000

-- The default of `resurrect_ttl`, in seconds.
local RESURRECT_TTL = 30

-- While a request loads a key, other requests wait for it at most this long. All times are in
-- seconds.
local LOCK_SECONDS = 5
local LOCK_STEP = 0.01

-- After this time, another request may load the key: the first one may have ended in the callback,
-- because its client has hung up.
local LOADING_SECONDS = 30

local TYPES = { ["nil"] = true, boolean = true, number = true, string = true, table = true }

local TIMES = { "ttl", "neg_ttl", "resurrect_ttl" }


--- Returns the error in the arguments of `get`, or nil.
local function mistake_of(key, opts, callback)
  if type(key) ~= "string" then
    return "key must be a string"
  elseif callback ~= nil and type(callback) ~= "function" then
    return "callback must be nil or a function"
  elseif opts ~= nil and type(opts) ~= "table" then
    return "opts must be a table"
  elseif opts == nil then
    return nil
  end
  for i = 1, #TIMES do
    local name = TIMES[i]
    local value = opts[name]
    if value ~= nil and type(value) ~= "number" then
      return fmt("opts.%s must be a number", name)
    elseif value and value < 0 then
      return fmt("opts.%s must be >= 0", name)
    end
  end
end


--- Makes `kong.cache`.
-- @tparam table pdk `ngx`, `description`, and optionally `callback_failed(err)`, which is called if
--   a callback throws an error
-- @treturn table
return function(pdk)
  local ngx = pdk.ngx
  local entries = lru(SIZE)
  -- The keys that requests are loading. If a request ends in the callback, its entry stays,
  -- so their number needs a limit.
  local loading = lru(SIZE)

  local cache = {}


  local function with_trace(err)
    if pdk.callback_failed then
      pdk.callback_failed(err)
    end
    return traceback(tostring(err), 2)
  end


  --- Returns the entry of a key. If it has expired, returns nil and the stale entry.
  local function lookup(key)
    local entry = entries:get(key)
    if not entry then
      return nil
    elseif entry.expires and entry.expires <= ngx.now() then
      return nil, entry
    end
    return entry
  end


  --- Stores a value.
  -- @tparam string key
  -- @param value
  -- @tparam ?number ttl
  -- @param loaded the value before `l1_serializer`, which `probe` returns
  local function store(key, value, ttl, loaded)
    local entry = { value = value, loaded = loaded }
    if ttl and ttl > 0 then
      entry.expires = ngx.now() + ttl
    end
    entries.size = pdk.description.cache_size or SIZE
    entries:set(key, entry)
  end


  local function is_loading(key)
    local entry = loading:peek(key)
    return entry and entry.expires > ngx.now()
  end


  -- Waits until no other request loads the key, if this phase can wait.
  local function wait_for(key)
    local waited = 0
    while is_loading(key) do
      if waited >= LOCK_SECONDS then
        return nil, "could not acquire callback lock: timeout"
      elseif not pcall(ngx.sleep, LOCK_STEP) then
        return true
      end
      waited = waited + LOCK_STEP
    end
    return true
  end


  --- Stores the result of a callback. Returns the stored value, or nil and an error.
  local function keep(key, opts, value, ttl)
    if type(ttl) == "number" and ttl < 0 then
      return value
    end
    local loaded = value
    local serializer = opts.l1_serializer
    if serializer and value ~= nil then
      local ok, result, err = pcall(serializer, value)
      if not ok then
        return nil, "l1_serializer threw an error: " .. tostring(result)
      elseif result == nil then
        return nil, err or "l1_serializer returned a nil value"
      end
      value = result
    end
    if type(ttl) ~= "number" then
      ttl = value == nil and opts.neg_ttl or value ~= nil and opts.ttl or 0
    end
    store(key, value, ttl, loaded)
    return value
  end


  --- Calls a callback. Returns true, the value and the ttl; or false, an error, nil, and whether
  -- the callback has thrown the error.
  local function load_value(callback, count, ...)
    local arguments = { ... }
    local ok, value, err, ttl = xpcall(function()
      return callback(unpack(arguments, 1, count))
    end, with_trace)
    if not ok then
      return false, "callback threw an error: " .. tostring(value), nil, true
    elseif value == nil and err ~= nil then
      return false, tostring(err)
    end
    return true, value, ttl
  end


  local function get(key, opts, callback, ...)
    local entry, stale = lookup(key)
    if entry then
      return entry.value, nil, 1
    elseif not callback then
      return nil, nil, -1
    end

    local free, err = wait_for(key)
    if not free then
      return nil, err
    end
    entry = lookup(key)
    if entry then
      return entry.value, nil, 1
    end

    loading:set(key, { expires = ngx.now() + LOADING_SECONDS })
    local ok, value, ttl, has_thrown = load_value(callback, select("#", ...), ...)
    loading:delete(key)
    if not ok then
      local resurrect_ttl = opts.resurrect_ttl or RESURRECT_TTL
      if stale and resurrect_ttl > 0 and not has_thrown then
        store(key, stale.value, resurrect_ttl, stale.loaded)
        return stale.value, nil, 4
      end
      return nil, value
    elseif not TYPES[type(value)] then
      return nil, "cannot cache value of type " .. type(value), nil, true
    end
    value, err = keep(key, opts, value, ttl)
    if err then
      return nil, err
    end
    return value, nil, 3
  end


  function cache.get(_, key, opts, callback, ...)
    local mistake = mistake_of(key, opts, callback)
    if mistake then
      error(mistake, 2)
    end
    local value, err, level, is_fatal = get(key, opts or {}, callback, ...)
    if is_fatal then
      error(err, 2)
    elseif err then
      return nil, "failed to get from node cache: " .. err
    end
    return value, nil, level
  end


  function cache.renew(_, key, opts, callback, ...)
    local mistake = mistake_of(key, opts, callback)
    if mistake then
      error(mistake, 2)
    elseif callback == nil then
      error("callback must be a function", 2)
    end
    local ok, value, ttl = load_value(callback, select("#", ...), ...)
    if not ok then
      return nil, "failed to renew key in node cache: " .. value
    elseif not TYPES[type(value)] then
      error("cannot cache value of type " .. type(value), 2)
    end
    local err
    value, err = keep(key, opts or {}, value, ttl)
    if err then
      return nil, "failed to renew key in node cache: " .. err
    end
    local entry = entries:peek(key)
    return value, nil, entry and entry.expires and entry.expires - ngx.now() or 0
  end


  function cache.get_bulk(_, bulk, opts)
    if type(bulk) ~= "table" then
      error("bulk must be a table", 2)
    elseif opts ~= nil and type(opts) ~= "table" then
      error("opts must be a table", 2)
    end
    local results, count = {}, 0
    for i = 1, bulk.n or #bulk, 4 do
      local key, options, callback = bulk[i], bulk[i + 1], bulk[i + 2]
      local mistake = mistake_of(key, options or nil, callback)
      if mistake then
        error(mistake, 2)
      end
      local value, err, level = get(key, options or opts or {}, callback, bulk[i + 3])
      results[count + 1], results[count + 2], results[count + 3] = value, err, level
      count = count + 3
    end
    results.n = count
    return results
  end


  function cache.safe_set(_, key, value)
    if type(key) ~= "string" then
      error("key must be a string", 2)
    elseif not TYPES[type(value)] then
      error("cannot cache value of type " .. type(value), 2)
    end
    store(key, value, nil, value)
    return true
  end


  function cache.probe(_, key)
    if type(key) ~= "string" then
      error("key must be a string", 2)
    end
    local entry = entries:peek(key)
    local now = ngx.now()
    if not entry or entry.expires and entry.expires <= now then
      return nil
    end
    return entry.expires and entry.expires - now or 0, nil, entry.loaded
  end


  function cache.invalidate_local(_, key)
    if type(key) ~= "string" then
      error("key must be a string", 2)
    end
    entries:delete(key)
  end


  -- Gateways also delete the key in other nodes. Here there are none.
  cache.invalidate = cache.invalidate_local


  function cache.purge()
    entries:clear()
  end


  return cache
end
