local IDP = "http://idp.example/introspect"

local function active(claims)
  return { status = 200, headers = { ["Content-Type"] = "application/json" }, body = claims }
end

local CONFIG = {
  introspection_endpoint = IDP, client_id = "gateway", client_secret = "s3cret",
  scopes = { "coffee:read" }, hide_credentials = true,
}

local ALICE = active [[{"active":true,"sub":"alice","client_id":"app","scope":"coffee:read tea"}]]

return {
  {
    name = "a token",
    plugins = { { plugin = "oidc-introspection", config = CONFIG } },
    steps = {
      {
        name = "that is missing causes a 401",
        request = {},
        expect = {
          status = 401, json = { message = "Unauthorized" },
          headers = {
            ["WWW-Authenticate"] = 'Bearer realm="service"',
            ["Content-Type"] = "application/json; charset=utf-8",
          },
          upstream = false, services = {},
        },
      },
      {
        name = "that is active lets the request pass",
        request = { path = "/coffee?n=1", headers = {
          Authorization = "Bearer token-1", ["X-User-Id"] = "mallory",
        } },
        services = { [IDP] = ALICE },
        upstream = { body = "espresso", headers = { ["Content-Type"] = "text/plain" } },
        expect = {
          status = 200, body = "espresso",
          upstream = { path = "/coffee?n=1", headers = {
            ["x-user-id"] = "alice", ["x-client-id"] = "app", authorization = false,
          } },
          services = { {
            method = "POST", url = IDP, body = "token=token-1", headers = {
              authorization = "Basic Z2F0ZXdheTpzM2NyZXQ=",
              ["content-type"] = "application/x-www-form-urlencoded",
            },
          } },
        },
      },
      {
        name = "that is known is read from the cache",
        request = { headers = { Authorization = "bearer  token-1" } },
        services = {},
        upstream = { body = "lungo" },
        expect = { status = 200, body = "lungo", services = {} },
      },
      {
        name = "that is not active is refused",
        request = { headers = { Authorization = "Bearer token-2" } },
        services = { [IDP] = active [[{"active":false}]] },
        expect = {
          status = 401, json = { message = "Unauthorized" },
          headers = { ["WWW-Authenticate"] = 'Bearer realm="service", error="invalid_token"' },
          upstream = false,
        },
      },
      {
        name = "without the scope is refused",
        request = { headers = { Authorization = "Bearer token-3" } },
        services = { [IDP] = active [[{"active":true,"sub":"bob","scope":"tea"}]] },
        expect = { status = 403, json = { message = "Missing scope coffee:read" },
                   upstream = false },
      },
      {
        name = "is refused if the provider fails",
        request = { headers = { Authorization = "Bearer token-4" } },
        services = { [IDP] = { status = 500, body = "oops" } },
        expect = {
          status = 503, json = { message = "The identity provider is not available" },
          upstream = false,
          log = "failed to get from node cache: the introspection endpoint answered 500",
        },
      },
      {
        name = "is refused if the provider sends no JSON",
        request = { headers = { Authorization = "Bearer token-4" } },
        services = { [IDP] = { status = 200, body = "<html>" } },
        expect = { status = 503, upstream = false, log = "sent no JSON" },
      },
    },
  },
}
