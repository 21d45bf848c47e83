--- The in-memory host against nginx: the same random plugins on both.
-- CONFORMANCE_N sequences (10000) of the seed CONFORMANCE_SEED (1).

local Client = require "spec.conformance.client"
local conformance = require "spec.conformance.run"
local nginx = require "spec.support.nginx"


local COUNT = tonumber(os.getenv "CONFORMANCE_N" or "") or 10000
local SEED = tonumber(os.getenv "CONFORMANCE_SEED" or "") or 1


-- Differences that were found once in hundreds of thousands of sequences.
local RARE = {
  ["a coroutine behind an exit of the header filter that began the response again"] = {
    content = { { "ngx.print", "", n = 1 }, { "delayed_exit", 421, "", {}, n = 3 } },
    header_filter = { { "exit", 301, n = 1 } },
    -- so that the exit is nginx's own
    phases = { header_filter = 0x1000000 },
  },
  ["nginx's own page in the place of a 101"] = {
    upstream = { status = 200, headers = {}, body = "" },
    balancer = { { "exit", 101, n = 1 } },
    header_filter = { { "get_headers", n = 0 } },
  },
}


local function sequence(phases)
  local list = {
    request = { method = "GET", version = 1.1, headers = {} },
    kong = false, phases = {},
    rewrite = {}, access = {}, content = {}, header_filter = {}, body_filter = { {} }, log = {},
  }
  for name, value in pairs(phases) do
    list[name] = value
  end
  return list
end


-- The functions are bound in another way where the JIT is on.
for _, jit_mode in ipairs { "on", "off" } do
  describe("conformance with the JIT " .. jit_mode, function()
    local client

    setup(function()
      client = Client.start(jit_mode)
    end)

    teardown(function()
      client:stop()
    end)


    it("of the in-memory host to nginx: every result, error and response is the same", function()
      local start = nginx.now()
      local left_out = conformance.run(client, SEED, COUNT)
      print(("\n%d sequences of seed %d agree (%.1f s); %d more would never end in nginx"):format(
        COUNT, SEED, nginx.now() - start, left_out))
    end)


    for name, phases in pairs(RARE) do
      it("of the in-memory host to nginx: " .. name, function()
        conformance.compare(client, sequence(phases))
      end)
    end


    it("of the in-memory host to itself in a request of nginx's, which it leaves alone", function()
      for _, case in ipairs((conformance.generate_batch(SEED, 1, 100))) do
        local notes, response = client:in_memory(SEED, case.index)
        assert.equal(case.memory_notes, notes)
        assert.equal(204, response.status)
        assert.same({ "Server", "Date", "Connection" }, {
          response.headers[1][1], response.headers[2][1], response.headers[3][1],
        })
        assert.equal(3, #response.headers)
      end
    end)
  end)
end
