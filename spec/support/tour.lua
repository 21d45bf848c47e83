--- One request that calls getters and setters in every phase, and its expected results.

local assert = require "luassert"


local _M = {}


--- Returns the code of its phases.
_M.CASE = {
  upstream = [[
    ngx.status = 203
    ngx.header["X-Service"] = { "1", "2" }
    ngx.header["Content-Length"] = 4
    ngx.print("body")
  ]],
  rewrite = "response.set_header('X-Rewrite', '1')",
  access = "response.add_header('X-Rewrite', '2')",
  balancer = "response.set_header('X-Balancer', '3') ngx.ctx.KONG_PROXIED = true",
  header_filter = [[
    response.add_header("X-Service", "3")
    response.set_status(200 + response.get_status())
    note(response.get_status(), response.get_header("X-Rewrite"), response.get_source(),
      response.get_headers()["x-service"])
    response.clear_header("Content-Length")
  ]],
  body_filter = [[
    local body = response.get_raw_body()
    if body then
      note(response.get_status(), response.get_header("X-Service"), response.get_source(),
        response.get_headers()["x-rewrite"], body)
      response.set_raw_body(body:upper())
    end
  ]],
  log = [[
    return response.get_status(), response.get_header("X-Balancer"), response.get_source(),
      response.get_headers()["x-service"]
  ]],
}


--- Returns the request with other fields.
function _M.with(fields)
  local case = {}
  for key, value in pairs(_M.CASE) do
    case[key] = value
  end
  for key, value in pairs(fields) do
    case[key] = value
  end
  return case
end


--- Checks the results.
function _M.check(r)
  assert.equal(403, r.status)
  assert.same({ "1", "2" }, r:values("X-Rewrite"))
  assert.same({ "3" }, r:values("X-Balancer"))
  assert.same({ "1", "2", "3" }, r:values("X-Service"))
  assert.is_nil(r:header("Content-Length"))
  assert.equal("BODY", r.body)
  assert.same({ 403, "1", "service", { "1", "2", "3" } }, r.seen.header_filter)
  assert.same({ 403, "1", "service", { "1", "2" }, "body" }, r.seen.body_filter)
  assert.same({ 403, "3", "service", { "1", "2", "3" } }, r.seen.log)
end


return _M
