--- The server in memory and nginx run the same random plugins, and must have the same results.
-- The environment may set the number of sequences, CONFORMANCE_N, and the seed, CONFORMANCE_SEED.

local Client = require "spec.conformance.client"
local conformance = require "spec.conformance.run"
local nginx = require "spec.support.nginx"


local COUNT = tonumber(os.getenv "CONFORMANCE_N" or "") or 10000
local SEED = tonumber(os.getenv "CONFORMANCE_SEED" or "") or 1


local UPSTREAM = { status = 200, headers = {}, body = "" }


-- A request for `kong.request`. If it has a body, it gets a Content-Length.
local function request(fields, ...)
  fields.version, fields.host, fields.headers = 1.1, "x", { ... }
  fields.method, fields.path = fields.method or "GET", fields.path or ""
  if fields.body then
    table.insert(fields.headers, { "Content-Length", tostring(#fields.body) })
  end
  return fields
end


-- Sequences that had another result in memory, once in hundreds of thousands.
local RARE = {
  ["a limit that is no whole number"] = {
    request = request({ path = "?a=1&b=2" }), pdk = {},
    access = {
      { "kong.request.get_query", 1.5, n = 1 }, { "kong.request.get_headers", 1.5, n = 1 },
    },
  },
  ["an argument without a name, which takes no part in the limit"] = {
    request = request({ path = "?=v&f=1&g=2" }), pdk = {},
    access = { { "kong.request.get_query", 1, n = 1 }, { "kong.request.get_query", 2, n = 1 } },
  },
  ["a form with more arguments than the limit"] = {
    request = request({ method = "POST", body = "=1&a=2&b=3&" }), pdk = {},
    access = {
      { "kong.request.get_body", "application/x-www-form-urlencoded", 1, n = 2 },
      { "kong.request.get_body", "application/x-www-form-urlencoded", 2, n = 2 },
      { "kong.request.get_body", "application/x-www-form-urlencoded", 3, n = 2 },
      { "kong.request.get_body", "application/x-www-form-urlencoded", 4, n = 2 },
    },
  },
  ["a header that a request has once"] = {
    request = request({}, { "Referer", "a" }), pdk = {}, upstream = UPSTREAM,
    access = {
      { "kong.service.request.add_header", "Referer", "b", n = 2 },
      { "kong.service.request.set_header", "Host", { "c", "d" }, n = 2 },
      { "kong.request.get_headers", n = 0 },
    },
  },
  ["a header that is added to an empty one"] = {
    request = request({}, { "X-A", "1" }, { "X-A", "" }), pdk = {}, upstream = UPSTREAM,
    access = {
      { "kong.service.request.add_header", "X-A", "2", n = 2 },
      { "kong.request.get_headers", n = 0 },
    },
  },
  ["a header whose name has an underscore"] = {
    request = request({}, { "User_Agent", "a" }), pdk = {},
    access = { { "kong.request.get_header", "User-Agent", n = 1 } },
  },
  ["a last header of a request that ends with a space"] = {
    request = request({}), pdk = {}, upstream = UPSTREAM,
    access = { { "kong.service.request.set_header", "X-A", "1 ", n = 2 } },
  },
  ["headers of a request whose status is 400"] = {
    request = request({ method = "POST" }), pdk = {}, upstream = UPSTREAM,
    access = {
      { "set_status", 400, n = 1 }, { "kong.service.request.set_header", "X-A", "1", n = 2 },
      { "kong.service.request.set_raw_body", "", n = 1 }, { "kong.request.get_headers", n = 0 },
    },
  },
  ["a form whose argument is false"] = {
    request = request({}), pdk = {}, upstream = UPSTREAM,
    access = {
      { "kong.service.request.set_query", { ["c d"] = false, e = { "1", false } }, n = 1 },
      { "kong.service.request.set_body", { ["c d"] = false }, "application/x-www-form-urlencoded",
        n = 2 },
    },
  },
  ["a body that nginx has discarded"] = {
    request = request({ body = "abc" }), pdk = {},
    content = {
      { "set_status", 204, n = 1 }, { "ngx.print", "x", n = 1 },
      { "kong.request.get_raw_body", n = 0 },
    },
  },
  ["ngx.ctx after nginx has answered 412 itself"] = {
    request = { method = "GET", version = 1.1, headers = { { "If-Match", "1" } } },
    kong = true,
    access = { { "exit", 200, "x", n = 2 } },
    header_filter = { { "set_header", "X-A", "1", n = 2 } },
    body_filter = { { { "get_raw_body", n = 0 } } },
    log = { { "get_status", n = 0 } },
  },
  ["a Last-Modified before 1970 that was set before an exit"] = {
    request = request({}, { "If-Unmodified-Since", "yesterday" }),
    access = { { "set_header", "Last-Modified", "Mon, 01 Jan 0001 00:00:00 GMT", n = 2 } },
    content = { { "exit", 200, n = 1 } },
  },
  ["a coroutine after an exit of the header filter that began the response again"] = {
    content = { { "ngx.print", "", n = 1 }, { "delayed_exit", 421, "", {}, n = 3 } },
    header_filter = { { "exit", 301, n = 1 } },
    -- so that the exit is nginx's own
    phases = { header_filter = 0x1000000 },
  },
  ["nginx's own page instead of a 101"] = {
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


    it("has the same results, errors and responses in memory and in nginx", function()
      local start = nginx.now()
      local left_out = conformance.run(client, SEED, COUNT)
      print(("\n%d random plugins of seed %d agree (%.1f s); "
             .. "%d more would never end in nginx"):format(
        COUNT, SEED, nginx.now() - start, left_out))
    end)


    for name, phases in pairs(RARE) do
      it("holds between the server in memory and nginx: " .. name, function()
        conformance.compare(client, sequence(phases))
      end)
    end


    it("holds for the server in memory inside of a request of nginx", function()
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
