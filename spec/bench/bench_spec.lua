-- The bench itself: what it asks of a worker is done, and its tables say what was measured.

local bodies = require "bench.lib.bodies"
local loops = require "bench.lib.loops"
local report = require "bench.lib.report"
local rounds = require "bench.lib.rounds"


describe("a measured worker", function()
  it("serves every measured request with both libraries without an error", function()
    local upstream = bodies.start_upstream()
    finally(function()
      upstream:stop()
    end)
    local received = {}
    rounds.with_sides(false, upstream.ports.port, function(sides)
      for _, side in ipairs(sides) do
        local sizes = {}
        for _, path in ipairs { "/filter", "/exit_small", "/exit_large", "/error", "/body_json",
                                "/body?size=50000", "/body_changed?size=50000" } do
          local close = "Connection: close\r\n" .. loops.ACCEPT
          local tail, count = side:exchange("GET " .. path .. " HTTP/1.1\r\nHost: localhost\r\n"
                                            .. close .. "\r\n")
          sizes[#sizes + 1] = path .. " " .. count .. " " .. (tail:match("^HTTP/1.1 (%d+)") or "")
        end
        received[side.side] = table.concat(sizes, "\n")
      end
    end)
    assert.equal(received.peer, received.ours)
    assert.truthy(received.ours:find("/body%?size=50000 5%d%d%d%d 200"))
    assert.truthy(received.ours:find("/error %d+ 403"))
  end)


  it("counts the calls of a loop and the time in them", function()
    rounds.with_sides(false, nil, function(sides)
      for _, name in ipairs { "get_header_hit", "clear_header", "exit_table", "get_raw_body",
                              "json_table_two", "json_cjson_two" } do
        local ns = loops.measure(sides[1], name)
        assert.is_true(ns > 1 and ns < 1e9, name .. ": " .. ns)
      end
    end)
  end)


  it("is used only if it logs no error", function()
    local ok, err = pcall(function()
      rounds.with_sides(false, nil, function(sides)
        sides[2]:batch(1, "/loop?case=nothing", nil, "/cpu")
      end)
    end)
    assert.is_false(ok)
    assert.truthy(err:find("a measured server reports an error", 1, true))
  end)
end)


describe("the rounds", function()
  it("alternate, start with a warm-up and give the smallest figures", function()
    local order = {}
    local figures = { ours = { 0, 3, 5, 4 }, peer = { 0, 90, 40, 70 } }
    local counts = { ours = 0, peer = 0 }
    local least = rounds.least({ { side = "ours" }, { side = "peer" } }, { "a case" }, 3,
      function(side)
        local name = side.side
        order[#order + 1] = name
        counts[name] = counts[name] + 1
        return figures[name][counts[name]]
      end)
    assert.same({ { ours = 3, peer = 40 } }, least)
    assert.equal("peer ours ours peer peer ours ours peer", table.concat(order, " "))
  end)


  it("subtract the smallest empty request", function()
    local figures = { { 0, 0 }, { 9, 4 }, { 7, 5 }, { 8, 3 } }
    local count = 0
    local least = rounds.least({ { side = "ours" } }, { "a case" }, 3, function()
      count = count + 1
      return unpack(figures[count])
    end)
    assert.same({ { ours = 7 - 3 } }, least)
  end)
end)


describe("a table of figures", function()
  local section = { title = "Calls", rows = {
    { name = "fast", unit = "ns", { peer = 100, ours = 50, target = 2 },
      { peer = 199.9, ours = 100, target = 2 } },
    { name = "memory", unit = "MB", share = true, { peer = 300, ours = 136, target = 0.45 } },
  } }

  it("shows which targets are met, without rounding up", function()
    assert.equal([[
## Calls

| | Lua, JIT on | ours | ratio | Lua, JIT off | ours | ratio |
|---|---:|---:|---:|---:|---:|---:|
| fast, ns | 100 | 50.0 | 2.00 (>= 2) | 200 | 100 | 1.99 (**not** >= 2) |
| memory, MB | 300 | 136 | 0.46 (**not** <= 0.45) |  |  |  |]], report.markdown(section, 2))
  end)

  it("shows how a curve grows", function()
    local points = {}
    for i, n in ipairs { 1, 10, 100, 1000 } do
      points[i] = { n, n, n * n, 5, 2 * n }
    end
    local text = report.curve_text { title = "Growth", x = "n", y = "µs", points = points,
                                     series = { "a", "b", "c", "d" } }
    assert.truthy(text:find("exponent of growth +1.00 +2.00 +0.00 +1.00"))
  end)
end)
