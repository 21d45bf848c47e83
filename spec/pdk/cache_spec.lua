local pdk = require "spec.support.pdk"


pdk.each("kong.cache", { description = "cache_size = 100," }, function(server)
  local function seen(code)
    code = "kong.cache:purge() local cache = kong.cache " .. code
    return server:run({ access = code }).seen.access
  end

  it("loads a value once, and returns the same table each time", function()
    assert.same({ { a = "x", b = "y" }, nil, 3, true, nil, 1, 1 }, seen [[
      local calls = 0
      local function load(a, b)
        calls = calls + 1
        return { a = a, b = b }
      end
      note(cache:get("k", nil, load, "x", "y"))
      local one = cache:get("k", nil, load)
      local other, err, level = cache:get("k")
      note(one == other, err, level, calls)
    ]])
  end)

  it("stores nil and false", function()
    assert.same({ nil, nil, 3, nil, nil, 1, false, nil, 3, false, nil, 1 }, seen [[
      local function none() return nil end
      local function no() return false end
      note(cache:get("none", nil, none))
      note(cache:get("none", nil, no))
      note(cache:get("no", nil, no))
      note(cache:get("no", nil, none))
    ]])
  end)

  it("does not store failures", function()
    local found = seen [[
      note(cache:get("k", nil, function() return nil, "broken" end))
      note(cache:get("k"))
      local value, err, level = cache:get("k", nil, function() error("thrown") end)
      note(value, err:match("^[^\n]*"), level)
      note(cache:get("k", nil, function() return 1 end))
      note(fails(cache.get, cache, "f", nil, function() return print end))
    ]]
    assert.same({
      nil, "failed to get from node cache: broken", nil, nil, -1, nil,
      "failed to get from node cache: callback threw an error: plugin.lua:3: thrown", nil,
      1, nil, 3, "cannot cache value of type function",
    }, found)
  end)

  it("forgets values after their time to live", function()
    assert.same({ 3, 1, 3, 3, 3, 3, 1 }, seen [[
      local function level(...)
        return (select(3, cache:get(...)))
      end
      local function one() return 1 end
      local function none() return nil end
      note(level("k", { ttl = 0.05 }, one), level("k", nil, one))
      ngx.sleep(0.1)
      note(level("k", { ttl = 0 }, one))
      note(level("own", { ttl = 100 }, function() return 1, nil, 0.05 end))
      note(level("n", { neg_ttl = 0.05 }, none))
      ngx.sleep(0.1)
      note(level("own", nil, one), level("k", nil, one))
    ]])
    assert.same({ 1, nil, 3, nil, nil, -1 }, seen [[
      note(cache:get("k", nil, function() return 1, nil, -1 end))
      note(cache:get("k"))
    ]])
  end)

  it("returns a stale value if the callback fails", function()
    assert.same({ 1, nil, 4, 1, nil, 1, nil, "failed to get from node cache: broken" }, seen [[
      local function broken() return nil, "broken" end
      cache:get("k", { ttl = 0.05 }, function() return 1 end)
      ngx.sleep(0.1)
      note(cache:get("k", nil, broken))
      note(cache:get("k", nil, broken))
      cache:get("l", { ttl = 0.05 }, function() return 1 end)
      ngx.sleep(0.1)
      note(cache:get("l", { resurrect_ttl = 0 }, broken))
    ]])
  end)

  it("returns no stale value if the callback throws an error", function()
    assert.same({ nil, true, 2, nil, 3 }, seen [[
      cache:get("k", { ttl = 0.05 }, function() return 1 end)
      ngx.sleep(0.1)
      local value, err = cache:get("k", nil, function() error("broken") end)
      note(value, err:find("^failed to get from node cache: callback threw an error: ") ~= nil)
      note(cache:get("k", nil, function() return 2 end))
    ]])
  end)

  it("calls l1_serializer once", function()
    assert.same({ "<a>", nil, 3, "<a>", nil, 1, 0, nil, "a" }, seen [[
      local opts = { l1_serializer = function(value) return "<" .. value .. ">" end }
      local function load() return "a" end
      note(cache:get("k", opts, load))
      note(cache:get("k", opts, load))
      note(cache:probe("k"))
    ]])
  end)

  it("offers probe, invalidate and renew", function()
    assert.same({
      0, nil, 1, true, nil, nil, 2, nil, 0, 2, 3, true,
      nil, "failed to renew key in node cache: broken", 3,
    }, seen [[
      cache:get("k", nil, function() return 1 end)
      note(cache:probe("k"))
      cache:get("t", { ttl = 100 }, function() return 1 end)
      local ttl = cache:probe("t")
      note(ttl > 90 and ttl <= 100)
      cache:invalidate("k")
      cache:invalidate_local("t")
      note(cache:probe("k"), cache:probe("t"))
      note(cache:renew("k", nil, function() return 2 end))
      note((cache:get("k")))
      cache:safe_set("s", 3)
      note((cache:get("s")), cache:renew("s", { ttl = 10 }, function() return 3 end) == 3)
      note(cache:renew("k", nil, function() return nil, "broken" end))
      cache:renew("k", nil, function() return 3 end)
      note((cache:get("k")))
    ]])
  end)

  it("gets several values with get_bulk", function()
    assert.same({ 1, nil, 3, "x", nil, 3, 6 }, seen [[
      local results = cache:get_bulk {
        "a", nil, function() return 1 end, nil,
        "b", nil, function(argument) return argument end, "x",
        n = 8,
      }
      note(results[1], results[2], results[3], results[4], results[5], results[6], results.n)
    ]])
  end)

  it("forgets the least recently used value if it is full", function()
    assert.same({ 1, -1, 1 }, seen [[
      local function one() return 1 end
      cache:get("first", nil, one)
      cache:get("second", nil, one)
      for i = 1, 98 do
        cache:get("k" .. i, nil, one)
      end
      cache:get("first", nil, one)
      cache:get("more", nil, one)
      note((select(3, cache:get("first"))), (select(3, cache:get("second"))),
          (select(3, cache:get("more"))))
    ]])
  end)

  it("loads a value once for requests at the same time", function()
    assert.same({ 1, 1, 1 }, seen [[
      local calls = 0
      local function load()
        calls = calls + 1
        ngx.sleep(0.05)
        return calls
      end
      local one = ngx.thread.spawn(cache.get, cache, "k", nil, load)
      local other = ngx.thread.spawn(cache.get, cache, "k", nil, load)
      local _, first = ngx.thread.wait(one)
      local _, second = ngx.thread.wait(other)
      note(first, second, calls)
    ]])
  end)

  it("forgets keys whose requests have ended in the callback", function()
    local function kilobytes()
      return seen("collectgarbage() collectgarbage() note(collectgarbage('count'))")[1]
    end

    local before = kilobytes()
    for _ = 1, 3 do
      seen [[
        for i = 1, 10000 do
          coroutine.wrap(function()
            cache:get(("x"):rep(2000) .. ngx.now() .. i, nil, coroutine.yield)
          end)()
        end
      ]]
    end
    -- The keys are 60 MB. The cache keeps a third of them.
    assert.is_true(kilobytes() - before < 40000)
  end)

  it("works in timers, and in phases that cannot wait", function()
    local r = server:run {
      access = [[
        kong.cache:purge()
        local done
        ngx.timer.at(0, function()
          note(kong.cache:get("k", nil, function() return 1 end))
          done = true
        end)
        for _ = 1, 200 do
          if done then break end
          ngx.sleep(0.01)
        end
      ]],
      log = "note(kong.cache:get('k', nil, function() return 2 end))",
    }
    assert.same({ 1, nil, 3 }, r.seen.access)
    assert.same({ 1, nil, 1 }, r.seen.log)
  end)

  it("raises an error at the plugin's line for invalid arguments", function()
    assert.same({
      "key must be a string", "callback must be nil or a function", "opts must be a table",
      "opts.ttl must be a number", "opts.ttl must be >= 0", "opts.neg_ttl must be a number",
      "opts.resurrect_ttl must be >= 0", "key must be a string", "key must be a string",
      "callback must be a function",
    }, seen [[
      note(fails(cache.get, cache, 1), fails(cache.get, cache, "k", nil, 1),
          fails(cache.get, cache, "k", 1), fails(cache.get, cache, "k", { ttl = "1" }),
          fails(cache.get, cache, "k", { ttl = -1 }),
          fails(cache.get, cache, "k", { neg_ttl = {} }),
          fails(cache.get, cache, "k", { resurrect_ttl = -1 }), fails(cache.probe, cache, 1),
          fails(cache.invalidate, cache), fails(cache.renew, cache, "k"))
    ]])
    local r = server:run { raises = true, access = "\nkong.cache:get(1)" }
    assert.equal("plugin.lua:2: key must be a string", r.errors.access)
  end)
end)


describe("a table of a limited size", function()
  it("removes the entries that were used least recently, also if its size has changed", function()
    local table_of = require("kong.response.pdk.lru")(4)
    for i = 1, 4 do
      table_of:set(i, { value = i })
    end
    assert.equal(1, table_of:get(1).value)
    table_of.size = 2
    table_of:set(5, { value = 5 })
    local left = {}
    for i = 1, 5 do
      left[i] = table_of:peek(i) ~= nil
    end
    assert.same({ true, false, false, false, true }, left)
    table_of.size = 0
    table_of:set(6, { value = 6 })
    assert.equal(1, table_of.count)
  end)
end)
