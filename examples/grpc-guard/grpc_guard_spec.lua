local testing = require "kong.response.testing"


describe("grpc-guard", function()
  local run = testing.with {
    plugin = "examples.grpc-guard.plugin",
    config = { tokens = { ["token-of-alice"] = "alice" } },
    upstream = { headers = { ["Content-Type"] = "application/grpc" }, body = "\0\0\0\0\0" },
  }

  local function grpc(headers)
    headers["Content-Type"] = headers["Content-Type"] or "application/grpc+proto"
    return { method = "POST", path = "/coffee.Shop/Order", http_version = 2, headers = headers }
  end

  it("refuses a gRPC client in its own words", function()
    local result = run { request = grpc {} }
    assert.response(result).has.status(200)
    assert.response(result).has.header("Content-Type", "application/grpc")
    assert.response(result).has.header("grpc-status", 16)
    assert.response(result).has.header("grpc-message", "No valid token in the metadata x-token")
    assert.response(result).has.body("")
    assert.is_false(result.upstream_called)
  end)

  it("writes the message as gRPC wants it", function()
    local result = run {
      config = { tokens = {}, message = "100 % Kaffee, für später" },
      request = grpc {},
    }
    assert.response(result).has.header("grpc-message", "100 %25 Kaffee, f%C3%BCr sp%C3%A4ter")
  end)

  it("refuses a gRPC-Web client over each version of HTTP", function()
    for _, version in ipairs { 1.1, 2 } do
      local request = grpc { ["Content-Type"] = "application/grpc-web-text" }
      request.http_version = version
      local result = run { request = request }
      assert.response(result).has.header("Content-Type", "application/grpc-web-text")
      assert.response(result).has.header("grpc-status", 16)
      assert.response(result).has.header("grpc-message", "No valid token in the metadata x-token")
      assert.response(result).has.body("")
    end
  end)

  it("refuses other clients as HTTP does", function()
    local result = run { request = { headers = { Accept = "application/json" } } }
    assert.response(result).has.status(401)
    assert.response(result).has_no.header("grpc-status")
    assert.response(result).has.jsonbody { message = "No valid token in the metadata x-token" }

    -- gRPC needs HTTP/2.
    local request = grpc {}
    request.http_version = 1.1
    assert.response(run { request = request }).has.status(401)
  end)

  it("refuses tokens that it does not know, or two of them", function()
    for _, token in ipairs { "wrong", { "token-of-alice", "token-of-alice" } } do
      local result = run { request = grpc { ["x-token"] = token } }
      assert.response(result).has.header("grpc-status", 16)
    end
  end)

  it("lets a token pass", function()
    local result = run { request = grpc { ["x-token"] = "token-of-alice" } }
    assert.is_true(result.upstream_called)
    assert.response(result).has.body("\0\0\0\0\0")
    assert.response(result).has_no.header("grpc-status")
  end)
end)
