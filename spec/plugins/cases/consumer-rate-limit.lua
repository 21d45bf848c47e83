local function limited(remaining)
  return { ["RateLimit-Limit"] = "2", ["RateLimit-Remaining"] = remaining,
           ["X-RateLimit-Window"] = "31536000", ["RateLimit-Reset"] = false }
end

return {
  {
    name = "a consumer",
    description = {
      consumer = { id = "c1ce76bb-5be3-4ff3-a8c4-2c3c4d3d1f7a", username = "alice" },
    },
    plugins = { { plugin = "consumer-rate-limit", config = {
      limit = 1, consumer_limits = { alice = 2 }, window = 31536000, show_reset = false,
    } } },
    steps = {
      {
        name = "can send a first request",
        request = {}, upstream = { body = "1" },
        expect = { status = 200, body = "1", headers = limited "1" },
      },
      {
        name = "can send a second request",
        request = {}, upstream = { body = "2" },
        expect = { status = 200, body = "2", headers = limited "0" },
      },
      {
        name = "cannot send a third request",
        request = {},
        expect = { status = 429, json = { message = "API rate limit exceeded" },
                   headers = limited "0", upstream = false },
      },
    },
  },
  {
    name = "a header",
    plugins = { { plugin = "consumer-rate-limit", config = {
      limit = 1, window = 31536000, limit_by = "header", header_name = "X-Tenant",
      hide_client_headers = true, show_reset = false, error_code = 403, error_message = "Enough",
    } } },
    steps = {
      {
        name = "identifies the sender of requests",
        request = { headers = { ["X-Tenant"] = "a" } }, upstream = { body = "1" },
        expect = { status = 200, headers = { ["RateLimit-Limit"] = false } },
      },
      {
        name = "has its own limit for each value",
        request = { headers = { ["X-Tenant"] = "b" } }, upstream = { body = "1" },
        expect = { status = 200 },
      },
      {
        name = "refuses requests over its limit",
        request = { headers = { ["X-Tenant"] = "a" } },
        expect = { status = 403, json = { message = "Enough" }, upstream = false,
                   headers = { ["RateLimit-Limit"] = false } },
      },
      {
        name = "is replaced by the address if it is missing",
        request = {}, upstream = { body = "1" },
        expect = { status = 200, body = "1" },
      },
    },
  },
}
