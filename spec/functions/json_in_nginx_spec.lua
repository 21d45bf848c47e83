-- In nginx only: the cjson of a whole process, and its scheduler.

local json = require "spec.support.json"
local served = require "spec.support.served"
local stages = require "spec.support.stages"


-- A cjson that has the names Debian's lacks.
local CJSON = [[
local function marker()
  local kept
  local function keep() return kept end
  return debug.upvalueid(keep, 1), keep
end

local empty_array, keep = marker()
return {
  null = ngx.null, empty_array = empty_array, array_mt = {}, empty_array_mt = {}, keep = keep,
}
]]


served.describe("a table body in nginx", function()
  return stages.start { files = json.FILES }
end, function(server)
  it("ignores settings of cjson that other code changes", function()
    json.check_vectors(json.results(server, server.dir .. "/vectors.lua", [[
      for _, name in ipairs { "cjson", "cjson.safe" } do
        local cjson = require(name)
        cjson.encode_sparse_array(true, 1, 1)
        cjson.encode_number_precision(3)
        cjson.encode_invalid_numbers(true)
        cjson.encode_max_depth(5)
        cjson.encode_keep_buffer(false)
        cjson.encode = function() return "not ours" end
      end
      local ngx_null = ngx.null
      assert(ngx_null == require("kong.response.json").null)
    ]]))
  end)

  it("does not yield to the scheduler", function()
    local r = server:run {
      content = [[
        local thread = coroutine.create(function()
          response.exit(200, { setmetatable({ 1, nil, 3 }, {
            __len = function() ngx.sleep(0.001) return 1 end,
          }) })
        end)
        local ok, err = coroutine.resume(thread)
        ngx.print(tostring(ok), " ", type(err), " ", err)
      ]],
    }
    assert.matches("^false string plugin%.lua:2: " .. json.REFUSED
      .. ".*attempt to yield across C%-call boundary", r.body)
  end)

  it("accepts the sentinels of nginx's cjson", function()
    local gateway = stages.start {
      files = {
        ["encoder.lua"] = json.FILES["encoder.lua"],
        ["cjson.lua"] = CJSON,
        ["vectors.lua"] = json.FILES["vectors.lua"],
      },
    }
    local r = gateway:run {
      content = [[
        local cjson, json = require "cjson", require "kong.response.json"
        for _, name in ipairs { "null", "empty_array", "array_mt", "empty_array_mt" } do
          assert(rawequal(cjson[name], json[name]), name)
        end
        response.exit(200, {
          a = cjson.empty_array,
          b = setmetatable({}, cjson.array_mt),
          c = setmetatable({ x = 1 }, cjson.empty_array_mt),
          d = cjson.null,
        })
      ]],
    }
    local found = json.results(gateway, gateway.dir .. "/vectors.lua")
    gateway:stop()
    local fields = {}
    for field in r.body:gmatch('"%a":[^,}]+') do
      fields[#fields + 1] = field
    end
    table.sort(fields)
    assert.same({ '"a":[]', '"b":[]', '"c":[]', '"d":null' }, fields)
    json.check_vectors(found)
  end)
end)
