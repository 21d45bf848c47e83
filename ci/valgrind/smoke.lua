--- Calls every function in each phase of nginx where it works. nginx runs this under valgrind.

local response = require "kong.response"


local _M = {}

-- Calls that must fail, so that valgrind sees the error paths.
local function fails(f, ...)
  local ok, err = pcall(f, ...)
  assert(not ok and type(err) == "string", "it should have failed")
end


local function body(bytes)
  return { text = ("x"):rep(bytes), list = { 1, 2.5, true }, nested = { { { "a/b" } } } }
end


local function set_all()
  response.set_status(202)
  response.set_header("X-One", "1")
  response.set_header("X-Array", { "1", "2", "" })
  response.add_header("X-One", 0.1)
  response.set_headers { ["X-Two"] = { "a\r\nb", "c" }, x_three = true, Link = "<a>" }
  response.clear_header("X-Two")
  fails(response.set_status, 99)
  fails(response.set_header, 1, 2)
  fails(response.add_header, "X", function() end)
  fails(response.set_headers, { X = { 1 } })
  fails(response.clear_header)
end


_M.access = {
  ["/exit"] = function()
    set_all()
    return response.exit(403, body(100), { ["X-Exit"] = { "1", "2" } })
  end,
  ["/exit-text"] = function() return response.exit(200, ("y"):rep(100000)) end,
  ["/exit-empty"] = function() return response.exit(404) end,
  ["/error"] = function()
    fails(response.error, 200)
    fails(response.exit, 200, { print })
    return response.error(500, { message = "<b>" }, { ["X-Error"] = "1" })
  end,
  ["/delayed"] = function()
    ngx.ctx.delay_response = true
    local delayed = coroutine.wrap(function() response.exit(418, body(10)) end)
    delayed()
    return ngx.ctx.delayed_response_callback(ngx.ctx)
  end,
}


function _M.header_filter()
  if ngx.var.uri == "/replaced" then
    return response.exit(200, body(1000))
  end
  response.get_status()
  response.get_header("X-One")
  response.get_header("X_One")
  response.get_header("Last-Modified")
  response.get_header("Connection")
  local headers, err = response.get_headers(2)
  assert(headers and err == "truncated" or not err)
  response.get_source()
  if ngx.var.uri == "/body" or ngx.var.uri == "/set-body" then
    set_all()
    response.clear_header("Content-Length")
  end
  fails(response.get_raw_body)
end


function _M.body_filter()
  local replaced = ngx.ctx.response_body
  if replaced then
    ngx.arg[2] = true
    ngx.arg[1] = replaced
    return
  end
  if ngx.var.uri == "/body" then
    local whole = response.get_raw_body()
    if whole then
      response.set_raw_body("<" .. whole .. ">")
    end
  elseif ngx.var.uri == "/set-body" then
    response.set_raw_body("another")
  elseif ngx.var.uri == "/abandoned" then
    response.get_raw_body()
  end
end


function _M.log()
  response.get_status()
  response.get_headers()
  response.get_source(ngx.ctx)
  fails(response.set_status, 200)
  fails(response.exit, 200)
  fails(response.set_raw_body, "x")
end


--- The response of the upstream.
function _M.upstream()
  ngx.header["X-One"] = "upstream"
  ngx.header["X_One"] = "upstream"
  ngx.header["Last-Modified"] = "Thu, 01 Jan 1970 00:00:00 GMT"
  for i = 1, 20 do
    ngx.print(("chunk %d "):format(i):rep(1000))
    ngx.flush(true)
    if ngx.var.uri == "/abandoned" and i == 10 then
      ngx.sleep(0.1)
    end
  end
end


return _M
