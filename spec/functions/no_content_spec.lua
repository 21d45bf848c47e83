local bodiless = require "spec.support.bodiless"
local hosts = require "spec.support.hosts"


local BODIES = {
  ["no body"] = "204",
  ["an empty string"] = "204, ''",
  ["a string"] = "204, 'x'",
  ["an empty table"] = "204, {}",
  ["a table"] = "204, { message = 'x' }",
  ["no body and a Content-Length"] = "204, nil, { ['Content-Length'] = 5 }",
  ["an empty string and a Content-Length"] = "204, '', { content_length = '0' }",
  ["a string and a Content-Length"] = "204, 'x', { ['content-length'] = '1' }",
  ["a string and a Content-Length of another length"] = "204, 'x', { ['Content-Length'] = 5 }",
}


hosts.each("exit(204)", { gateway = true }, function(server)
  for place in pairs(bodiless.PLACES) do
    for what, arguments in pairs(BODIES) do
      it("sends neither a body nor a Content-Length for " .. what .. " in " .. place, function()
        bodiless.each_client(server, bodiless.exit(place, arguments), 204)
      end)
    end

    it("keeps the other headers of the call in " .. place, function()
      local case = bodiless.exit(place, "204, 'x', { ['X-A'] = '1', ETag = '\"v\"' }")
      bodiless.each_client(server, case, 204, { ["X-A"] = "1", ETag = '"v"' })
    end)

    it("sends no Content-Length that a plugin has set before, in " .. place, function()
      local case = bodiless.exit(place, "204", "ngx.header.content_length = 7 ")
      bodiless.each_client(server, case, 204)
    end)
  end

  it("sends a message without Content-Length to a gRPC client", function()
    local r = server:run {
      http2 = true,
      method = "POST",
      headers = { "Content-Type: application/grpc", "TE: trailers" },
      access = "response.exit(204, 'gone')",
    }
    bodiless.check(r, 204)
    assert.same({ "0" }, r:values("grpc-status"))
    assert.same({ "gone" }, r:values("grpc-message"))
  end)
end)
