--- The tables for JSON.

local _M = {}


local function list(n, make)
  local items = {}
  for i = 1, n do
    items[i] = make(i)
  end
  return items
end


local function nested(depth, wrap)
  local value = wrap(1)
  for _ = 2, depth do
    value = wrap(value)
  end
  return value
end


-- Pseudo-random numbers, the same in every run.
local seed = 42
local function random()
  seed = (seed * 16807) % 2147483647
  return seed / 2147483647
end


--- Returns a product, as in the list of an API.
local function product(i)
  return {
    id = 4710 + i,
    name = "espresso no. " .. i,
    price = 2.5 + i % 10 / 4,
    available = i % 3 ~= 0,
    roast = "dark",
  }
end


local function products(n)
  return list(n, product)
end

_M.products = products


--- Returns a list of products with `n` nodes. The list, its objects and their fields are nodes.
function _M.tree(n)
  local items = products(math.floor((n - 1) / 6))
  for i = 1, (n - 1) % 6 do
    items[#items + 1] = i
  end
  return items
end


_M.five = product(1)
_M.two = { message = "No API key found in request", code = 1001 }
_M.products_500 = products(500)

_M.deep_objects = nested(100, function(value)
  return { child = value }
end)

_M.deep_arrays = nested(100, function(value)
  return { value }
end)

_M.wide = {}
for i = 1, 1000 do
  _M.wide["key_" .. i] = i % 2 == 0
end

_M.short_strings = list(1000, function(i)
  return ("a short string %05d"):format(i)
end)

_M.long_strings = list(20, function(i)
  return ("The quick brown fox jumps over the lazy dog %02d. "):format(i):rep(200)
end)

_M.urls = list(500, function(i)
  return ("https://shop.example.com/products/%d/images/large.jpg?width=640"):format(4710 + i)
end)

_M.integers = list(1000, function()
  return math.floor(random() * 1e9)
end)

_M.floats = list(1000, function()
  return random() * 1000
end)


return _M
