--- The plugins of whole requests. Each has an empty counterpart in the same phases.

local fields = require "bench.worker.fields"
local json = require("bench.worker.init").json
local values = require "bench.worker.values"

local ngx = ngx
local response = kong.response


local ACCESS, HEADER_FILTER, BODY_FILTER = 0x20, 0x200, 0x400

local JSON = { ["Content-Type"] = "application/json" }
local TWO_HEADERS = { ["Cache-Control"] = "no-store", ["X-Request-Id"] = "4d4fa917ea095b96" }

local _M = {}


--- The upstream: five headers and a body of two bytes.
function _M.content()
  local header = ngx.header
  for i = 1, 5 do
    local field = fields.RESPONSE[i]
    header[field[1]] = field[2]
  end
  header["Content-Length"] = 2
  ngx.print("ok")
end


function _M.filter_empty()
  ngx.ctx.KONG_PHASE = HEADER_FILTER
end


--- Twenty sets and five reads: three of existing headers, two of missing ones.
function _M.filter()
  ngx.ctx.KONG_PHASE = HEADER_FILTER
  local get_header, set_header = response.get_header, response.set_header
  local list, absent = fields.RESPONSE, fields.ABSENT
  local known = get_header("Content-Type")
  for i = 2, 8 do
    local field = list[i]
    set_header(field[1], field[2])
  end
  known = get_header("Vary") and known
  known = get_header("Location") and known
  for i = 9, 16 do
    local field = list[i]
    set_header(field[1], field[2])
  end
  known = get_header("X-Request-Id") and known
  known = get_header("X-Cache-Status") and known
  for i = 10, 14 do
    set_header(absent[i], "on")
  end
  return known
end


function _M.exit_empty()
  ngx.ctx.KONG_PHASE = ACCESS
  return ngx.exit(200)
end


function _M.exit_string()
  ngx.ctx.KONG_PHASE = ACCESS
  return response.exit(403, '{"message":"You cannot consume this service"}', JSON)
end


function _M.exit_small()
  ngx.ctx.KONG_PHASE = ACCESS
  return response.exit(200, values.five, TWO_HEADERS)
end


function _M.exit_large()
  ngx.ctx.KONG_PHASE = ACCESS
  return response.exit(200, values.products_500)
end


function _M.error()
  ngx.ctx.KONG_PHASE = ACCESS
  return response.error(403, "You cannot consume this service")
end


local FILLER = ("0123456789abcdef"):rep(63)
local number = 0


--- A body of 2 KB in one or two chunks (`?chunks=`). Each body is different: its number is at both
-- ends.
function _M.small_content()
  number = number + 1
  local text = ("%016d"):format(number)
  if ngx.var.arg_chunks == "1" then
    ngx.print(text, FILLER, FILLER, text)
  else
    ngx.print(text, FILLER)
    ngx.print(FILLER, text)
  end
end


local PRODUCTS = json.encode(values.products(100))


--- A body of 100 objects in JSON.
function _M.json_content()
  ngx.print(PRODUCTS)
end


function _M.body_head()
  ngx.ctx.KONG_PHASE = HEADER_FILTER
  ngx.header.content_length = nil
end


function _M.body_empty()
  ngx.ctx.KONG_PHASE = BODY_FILTER
end


function _M.body()
  ngx.ctx.KONG_PHASE = BODY_FILTER
  local body = response.get_raw_body()
  if body then
    response.set_raw_body(body)
  end
end


function _M.body_changed()
  ngx.ctx.KONG_PHASE = BODY_FILTER
  local body = response.get_raw_body()
  if body then
    response.set_raw_body("<" .. body .. ">")
  end
end


--- Reads the body as JSON, changes one field, and sends it.
function _M.body_json()
  ngx.ctx.KONG_PHASE = BODY_FILTER
  local body = response.get_raw_body()
  if body then
    local products = json.decode(body)
    number = number + 1
    products[1].id = number
    response.set_raw_body(json.encode(products))
  end
end


return _M
