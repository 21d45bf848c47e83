--- Cases for the library and for the plain Lua of the bench. A case has the phase of nginx in which
-- it runs. `note` sends the results and errors of a call to the client.

local fields = require "bench.worker.fields"
local values = require "bench.worker.values"


local _M = {}


local function case(name, phase, run, headers)
  _M[#_M + 1] = { name = name, phase = phase, run = run, headers = headers }
end


-- Returns an error without the position of the caller.
local function raised(f, ...)
  local ok, err = pcall(f, ...)
  return ok and "nothing raised" or (tostring(err):gsub("^[^:]*:%d+: ", ""))
end


case("the header filter that is measured", "header_filter", function(response, note)
  for i = 1, 16 do
    response.set_header(fields.RESPONSE[i][1], fields.RESPONSE[i][2])
  end
  for i = 1, 16 do
    note(response.get_header(fields.RESPONSE[i][1]), response.get_header(fields.ABSENT[i]))
  end
  for i = 1, 8 do
    response.add_header(fields.ADDED[i][1], fields.ADDED[i][2])
  end
  response.set_headers(fields.EIGHT)
  response.clear_header("X-RateLimit-Limit")
  response.set_status(404)
  note(response.get_status(), response.get_source())
  local headers, err = response.get_headers()
  note(headers["Set-Cookie"][2], headers.x_request_id, headers.connection, err)
  note(response.get_headers(3).vary, select(2, response.get_headers(3)))
end)


case("values that are no common strings", "header_filter", function(response)
  response.set_header("X-Empty", "")
  response.set_header("X-Number", 1e15)
  response.set_header("X-Boolean", false)
  response.set_header("X-Array", { "a", "", "c" })
  response.set_header("X-Hole", { "a", nil, "c" })
  response.set_header("X-Gone", "there")
  response.set_header("X-Gone", {})
  response.add_header("X-Array", { "d", "" })
  response.add_header("X-Array", {})
  response.add_header("X-Added", true)
  response.set_headers({ ["X-Lines"] = "a\r\nX-Split: 1", x_under_score = 5, ["X-None"] = {} })
end)


case("Transfer-Encoding is left alone", "header_filter", function(response)
  response.set_header("Transfer-Encoding", "gzip")
  response.add_header("transfer_encoding", "gzip")
  response.set_headers({ ["TRANSFER-ENCODING"] = "gzip", ["X-Other"] = "set" })
end)


case("what is refused", "header_filter", function(response, note)
  note(raised(response.get_header, 1))
  note(raised(response.get_headers, "1"), raised(response.get_headers, 0),
       raised(response.get_headers, 1001))
  note(raised(response.get_source, "ctx"))
  note(raised(response.set_status, "200"), raised(response.set_status, 99),
       raised(response.set_status, 600), raised(response.set_status, 0 / 0))
  for _, name in ipairs { "set_header", "add_header" } do
    note(raised(response[name], 1, "v"), raised(response[name], "X", nil),
         raised(response[name], "X", print), raised(response[name], "X", { "a", 1 }),
         raised(response[name], "Content-Length", "abc"),
         raised(response[name], "content_length", { "1", "-1" }),
         raised(response[name], "Content-Length", "9223372036854775808"))
  end
  note(raised(response.clear_header, nil))
  note(raised(response.set_headers, "x"), raised(response.set_headers, { "x" }),
       raised(response.set_headers, { X = print }), raised(response.set_headers, { X = { 1 } }),
       raised(response.set_headers, { ["Content-Length"] = -1 }))
  note(raised(response.exit, "200"), raised(response.exit, 600), raised(response.exit, 200, 1),
       raised(response.exit, 200, "x", 1), raised(response.exit, 200, { print }))
  note(raised(response.error, 399), raised(response.error, nil), raised(response.error, 400, 1),
       raised(response.error, 400, { print }), raised(response.error, 400, "x", 1))
  note(raised(response.get_raw_body))
end)


case("a setter in the wrong phase", "body_filter", function(response)
  local message = raised(response.set_status, 200)
  ngx.arg[1] = ngx.arg[1] .. message .. "\n"
end)


case("exit with a small table and two headers", "access", function(response)
  response.exit(200, values.five, { ["Cache-Control"] = "no-store", ["X-Request-Id"] = "4d4f" })
end)


case("exit with 500 objects", "access", function(response)
  response.exit(200, values.products_500)
end)


case("exit with a string, a Content-Type and a wrong length", "access", function(response)
  response.exit(403, "no", { content_type = "text/plain", ["Content-Length"] = 7 })
end)


case("exit without a body", "access", function(response)
  response.exit(204)
end)


case("exit without a body and nginx's own page", "access", function(response)
  response.exit(502)
end)


case("exit with an empty body", "access", function(response)
  response.exit(403, "")
end)


case("exit in the header filter", "header_filter", function(response)
  response.exit(401, { message = "a key is needed" }, { ["WWW-Authenticate"] = "Key" })
end)


case("exit without a body in the header filter", "header_filter", function(response)
  response.exit(401)
end)


case("exit with a gRPC type", "access", function(response)
  response.exit(404, "body", { ["Content-Type"] = "application/grpc" })
end)


local ACCEPTS = {
  "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json",
  "text/plain;q=0.3, text/html;q=0.7, text/html;level=1, text/html;level=2;q=0.4, */*;q=0.5",
  "*/*, text/html", "text/html, */*", "text/html;q=0.5, application/xml;q=0.9", "json",
  "image/png, text/html;q=0.9", "text/*", "application/*", "TEXT/HTML", "text/html;q=0, */*",
  "text/html;q=2, text/plain", "image/png", ", ,text/plain",
}

for _, accept in ipairs(ACCEPTS) do
  case("error with Accept: " .. accept, "access", function(response)
    response.error(403, 'You <cannot> consume "this" / & that\1')
  end, { "Accept: " .. accept })
end


case("error without a message", "access", function(response)
  response.error(404)
end, { "Accept: text/plain", "Accept: text/html" })


case("error with a type of its own and a table", "access", function(response)
  response.error(599, { message = "odd" }, { ["content-type"] = "application/problem+json" })
end)


case("error with bytes that are no UTF-8", "access", function(response)
  response.error(500, "a\255b \226\130\172 \239\191\191", { ["Content-Type"] = "text/html" })
end)


case("error with a gRPC type", "access", function(response)
  response.error(504, "late", { ["Content-Type"] = "application/grpc+proto" })
end)


case("a body that is read and set", "body_filter", function(response)
  local body = response.get_raw_body()
  if body then
    response.set_raw_body("<" .. body .. ">")
  end
end)


case("a body that two plugins read", "body_filter", function(response)
  response.get_raw_body()
  local body = response.get_raw_body()
  if body then
    response.set_raw_body(body .. "; again: " .. tostring(response.get_raw_body() == body))
  end
end)


case("an empty body is set", "body_filter", function(response)
  response.set_raw_body("")
end)


return _M
