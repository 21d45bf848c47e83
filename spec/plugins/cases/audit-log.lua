local COLLECTOR = "http://collector.example/logs"

local ROUTE = { id = "r1", name = "coffee" }
local SERVICE = { id = "s1", name = "shop", host = "127.0.0.1", port = 80 }

return {
  {
    name = "a record",
    description = {
      route = ROUTE, service = SERVICE, consumer = { id = "c1", username = "alice" },
      credential = { id = "k1" },
    },
    plugins = { { plugin = "audit-log", config = {
      http_endpoint = COLLECTOR, secret = "s3cret", log_body = true, max_body_size = 5,
      redacted_headers = { "X-Secret" }, custom_fields = { team = "coffee" },
      ignored_paths = { "/health" }, retry_count = 1,
    } } },
    steps = {
      {
        name = "goes to the collector",
        request = {
          method = "POST", path = "/coffee?a=1&a=2", body = "espresso",
          headers = { ["X-Secret"] = "1", Authorization = "Basic eDp5",
                      ["Content-Type"] = "text/plain" },
        },
        services = { [COLLECTOR] = { status = 204 } },
        upstream = { status = 201, body = "made", headers = { ["X-Own"] = "1" } },
        expect = {
          status = 201, body = "made",
          services = { {
            method = "POST", url = COLLECTOR, headers = { ["content-type"] = "application/json" },
            has = {
              ["request.method"] = "POST", ["request.uri"] = "/coffee?a=1&a=2",
              ["request.body"] = "espre", ["request.querystring.a.2"] = "2",
              ["request.headers.x-secret"] = "REDACTED",
              ["request.headers.authorization"] = "REDACTED",
              ["response.status"] = 201, ["response.headers.x-own"] = "1",
              ["response.source"] = "service", source = "upstream", upstream_status = "201",
              ["custom.team"] = "coffee", ["route.name"] = "coffee", ["service.id"] = "s1",
              ["consumer.username"] = "alice", ["authenticated_entity.id"] = "k1",
              client_ip = "127.0.0.1",
            },
          } },
        },
      },
      {
        name = "is not sent for an ignored path",
        request = { path = "/health/live" },
        services = {},
        upstream = { body = "ok" },
        expect = { status = 200, body = "ok", services = {} },
      },
      {
        name = "is logged if the collector refuses it",
        request = { path = "/" },
        services = { [COLLECTOR] = { status = 400, body = "no room" } },
        upstream = { body = "ok" },
        expect = { status = 200, body = "ok", log = "the collector answered 400: no room",
                   services = { { method = "POST", url = COLLECTOR } } },
      },
      {
        name = "is sent again after a failure",
        request = { path = "/" },
        services = { [COLLECTOR] = { status = 503, body = "later" } },
        upstream = { body = "ok" },
        expect = { status = 200, log = "attempt 2 failed: 503",
                   services = { { url = COLLECTOR }, { url = COLLECTOR } } },
      },
    },
  },
}
