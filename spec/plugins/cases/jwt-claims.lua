-- {"sub":"alice","preferred_username":"al","roles":["barista","owner"],"exp":4102444800,"n":7}
local ALICE = "eyJhbGciOiJIUzI1NiJ9."
  .. "eyJzdWIiOiJhbGljZSIsInByZWZlcnJlZF91c2VybmFtZSI6ImFsIiwicm9sZXMiOlsiYmFyaXN0YSIsIm93bmVyIl0s"
  .. "ImV4cCI6NDEwMjQ0NDgwMCwibiI6N30.c2ln"
-- {"sub":"bob","exp":1000000000}
local EXPIRED = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IiLCJleHAiOjEwMDAwMDAwMDB9.c2ln"

local CLAIMS = { "sub", "roles", "n", "missing_one" }

return {
  {
    name = "claims",
    plugins = { { plugin = "jwt-claims", config = {
      claims = CLAIMS, cookie_names = { "session" }, expose_consumer = true,
    } } },
    steps = {
      {
        name = "go to the service",
        request = { headers = {
          Authorization = "Bearer " .. ALICE, ["X-Claim-missing-one"] = "forged",
        } },
        upstream = { body = "hello" },
        expect = {
          status = 200, body = "hello",
          headers = { ["X-Consumer"] = "al" },
          upstream = { headers = {
            ["x-claim-sub"] = "alice", ["x-claim-roles"] = '["barista","owner"]',
            ["x-claim-n"] = "7", ["x-claim-missing-one"] = false,
          } },
        },
      },
      {
        name = "come from a cookie",
        request = { headers = { Cookie = "a=b; session=" .. ALICE } },
        upstream = { body = "hello" },
        expect = { status = 200, upstream = { headers = { ["x-claim-sub"] = "alice" } } },
      },
      {
        name = "come from the query",
        request = { path = "/?jwt=" .. ALICE .. "&x=y" },
        upstream = { body = "hello" },
        expect = { status = 200, upstream = { headers = { ["x-claim-sub"] = "alice" } } },
      },
      {
        name = "that have expired are refused",
        request = { headers = { Authorization = "Bearer " .. EXPIRED, Accept = "text/plain" } },
        expect = {
          status = 401, upstream = false,
          headers = { ["WWW-Authenticate"] = "Bearer", ["X-Consumer"] = false,
                      ["Content-Type"] = "text/plain; charset=utf-8" },
        },
      },
      {
        name = "that cannot be read are refused",
        request = { headers = { Authorization = "Bearer a.b" } },
        expect = { status = 401, upstream = false, log = "bad token: a JWT has three parts" },
      },
      {
        name = "in bad base64 are refused",
        request = { headers = { Authorization = "Bearer a.!!!.c" } },
        expect = { status = 401, upstream = false, log = "the payload is not base64url" },
      },
    },
  },
  {
    name = "claims that may be missing",
    plugins = {
      { plugin = "jwt-claims", config = { claims = { "sub" }, continue_on_error = true } },
    },
    steps = {
      {
        name = "do not change the request",
        request = {},
        upstream = { body = "hello" },
        expect = { status = 200, body = "hello", headers = { ["X-Consumer"] = false },
                   upstream = { headers = { ["x-claim-sub"] = false } } },
      },
    },
  },
}
