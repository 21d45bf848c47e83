local JSON = { ["Content-Type"] = "application/json" }

local function post(key, body)
  return {
    method = "POST", path = "/orders", body = body,
    headers = { ["Idempotency-Key"] = key, ["Content-Type"] = "application/json" },
  }
end

return {
  {
    name = "a key",
    plugins = { { plugin = "idempotency" } },
    steps = {
      {
        name = "that is new goes to the service",
        request = post("k1", '{"item":"espresso"}'),
        upstream = { status = 201, headers = JSON, body = { '{"id":', "1}" } },
        expect = {
          status = 201, body = '{"id":1}', headers = { ["Idempotent-Replayed"] = false },
          upstream = { method = "POST", path = "/orders", body = '{"item":"espresso"}' },
        },
      },
      {
        name = "that is repeated gets the same response",
        request = post("k1", '{"item":"espresso"}'),
        upstream = { status = 500, body = "no" },
        expect = {
          status = 201, body = '{"id":1}', upstream = false,
          headers = { ["Idempotent-Replayed"] = "true", ["Content-Type"] = "application/json" },
        },
      },
      {
        name = "with another body is refused",
        request = post("k1", '{"item":"tea"}'),
        expect = { status = 422, json = { message = "The key was used with another body" },
                   upstream = false },
      },
      {
        name = "gets an error of the service",
        request = post("k2", "{}"),
        upstream = { status = 503, body = "busy" },
        expect = { status = 503, body = "busy", upstream = { body = "{}" } },
      },
      {
        name = "can be sent again after an error",
        request = post("k2", "{}"),
        upstream = { status = 201, headers = JSON, body = '{"id":2}' },
        expect = { status = 201, body = '{"id":2}', upstream = { body = "{}" } },
      },
      {
        name = "of another method is ignored",
        request = { path = "/orders", headers = { ["Idempotency-Key"] = "k1" } },
        upstream = { body = "[]" },
        expect = { status = 200, body = "[]" },
      },
    },
  },
  {
    name = "a key that is required",
    plugins = { { plugin = "idempotency", config = {
      is_required = true, header_name = "X-Request-Key",
    } } },
    steps = {
      {
        name = "causes a 400 if it is missing",
        request = { method = "POST", body = "x" },
        expect = { status = 400, json = { message = "X-Request-Key header is required" },
                   upstream = false },
      },
    },
  },
}
