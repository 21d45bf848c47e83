--- Generates sequences: a request, what its upstream answers, and what a plugin does in each phase.
--
--     {
--       request = { method, version, headers = { { name, value }, ... } },
--       upstream = { status, headers, body } or nil, where Lua makes the content,
--       kong = whether the globals of a gateway exist,
--       rewrite, access, content, balancer, header_filter, log = { operations },
--       body_filter = { operations for the first chunk, ... },
--       max_body_size = the option, or nil,
--       pdk = nil, or what `generate_requests.lua` adds,
--       phases = { what KONG_PHASE says where it does not tell the truth, by phase },
--     }
--
-- An operation is { name, argument, ..., n = how many }.

local new_random = require "spec.conformance.random"
local requests = require "spec.conformance.generate_requests"


local MOST_OPERATIONS = 30

local BUILTIN = {
  "Server", "Date", "Content-Encoding", "Location", "Refresh", "Last-Modified", "Content-Range",
  "Accept-Ranges", "WWW-Authenticate", "Expires", "E-Tag", "ETag", "Content-Length",
  "Content-Type", "Cache-Control", "Link", "Content-Type", "Content-Length",
}

local CUSTOM = { "X-A", "X-B", "X-Foo", "X-Long-Name-Of-A-Header", "Set-Cookie", "Vary" }

local ODD = {
  "", " ", "x y", "x:y", "X-\195\169", "X\tY", "a/b", "(x)", "@", "_", "-", "x_a", "X__B", "1",
  "X-A ", ("X-Long"):rep(40), "{}", "a\"b", "A", "__index", "n", "x-\127",
}

local HOSTILE = {
  "Transfer-Encoding", "transfer_encoding", "TRANSFER-ENCODING", "Connection", "Keep-Alive",
  "Proxy-Connection", "Upgrade", "TE", "X-\r\nInjected: 1", "X\0Y", "Trailer", "Digest",
  "grpc-status", "grpc-message", "Status", "HTTP/1.1",
}

local DATES = {
  "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
  "Thu, 29 Feb 2024 23:59:59 GMT", "Thu, 29 Feb 2023 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT",
  "Fri, 31 Dec 9999 23:59:59 GMT", "Sat, 30 Feb 2000 00:00:00 GMT", "yesterday", "Jxx, 06",
}

local TYPES = {
  "text/html", "application/json", "application/json; charset=utf-8", "text/plain;charset=latin1",
  "application/grpc", "application/grpc+proto", "Application/GRPC", "text/html; q=1",
  "application/problem+json", "text/xml", ";", "TEXT/HTML; Charset=\"UTF-8\"",
}

local STATUSES = {
  200, 200, 200, 201, 202, 204, 206, 207, 301, 302, 304, 307, 308, 309, 400, 401, 403, 404, 405,
  413, 414, 418, 421, 422, 426, 428, 429, 431, 451, 494, 497, 499, 500, 501, 502, 503, 504, 505,
  506, 507, 508, 511, 599, 300, 305, 408, 101, 103, 199,
}

local BITS = {
  rewrite = 0x10, access = 0x20, content = 0x80, balancer = 0x40, header_filter = 0x200,
  body_filter = 0x400, log = 0x2000,
}

local FALSE_PHASES = {
  0x1, 0x2, 0x8, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x400, 0x2000, 0x4000, 0x1000000,
  0x10000000, 0, 3, 0x240, -1, 1.5, "nil", "x", true,
}

local READERS = { "get_status", "get_header", "get_headers", "get_source" }


local G = {}
G.__index = G


function G:case(name)
  local random = self.random
  local how = random:int(1, 6)
  if how == 1 then
    return name:lower()
  elseif how == 2 then
    return name:upper()
  elseif how == 3 then
    return (name:gsub("-", "_"))
  end
  return name
end


function G:name()
  local random = self.random
  local kind = random:int(1, 20)
  if kind <= 8 then
    return self:case(random:pick(BUILTIN))
  elseif kind <= 16 then
    return self:case(random:pick(CUSTOM))
  elseif kind <= 18 then
    return random:pick(ODD)
  end
  return self:case(random:pick(HOSTILE))
end


function G:text(most)
  local random = self.random
  local bytes = {}
  for i = 1, random:int(0, most or 12) do
    local kind = random:int(1, 12)
    bytes[i] = kind == 1 and string.char(random:int(0, 255))
      or kind == 2 and random:pick { "\r", "\n", "\t", "%", "\0", '"', "\\", "/", "<", "&", " " }
      or string.char(random:int(97, 122))
  end
  return table.concat(bytes)
end


--- A string that fits the header, mostly.
function G:string(name)
  local random = self.random
  local folded = name:lower():gsub("_", "-")
  if random:once_in(8) then
    return random:pick { "", " ", "a\r\nX: 1", "\0", "\t", "\127\255", ("v"):rep(300), "0", "/" }
  elseif folded == "content-length" then
    return random:pick {
      "0", "3", "8", "12", "0012", "8", "8", "abc", "-1", "1.5", "9223372036854775807",
      "9223372036854775808", "5 ",
    }
  elseif folded == "content-type" then
    return random:pick(TYPES)
  elseif folded == "last-modified" or folded == "expires" then
    return random:pick(DATES)
  elseif folded == "etag" or folded == "e-tag" then
    return random:pick { "1", "2", "x", '"1"', 'W/"1"', "W/", self:text(3) }
  elseif folded == "location" then
    return random:pick { "/", "/x", "http://example.com/", "x", "//y" }
  elseif folded == "connection" then
    return random:pick { "close", "Keep-Alive", "x, CLOSE", "upgrade", "closed" }
  end
  return random:pick { "1", "2", "x", "max-age=1", "a, b", self:text() }
end


function G:number()
  return self.random:pick {
    0, 1, -1, 5, 8, 1.5, -0.25, 1e15, 1e14, 1e100, 123456789012, 2 ^ 53, 0 / 0, 1 / 0, -1 / 0, 0.1,
  }
end


function G:odd()
  local random = self.random
  return random:pick { { special = "function" }, { special = "userdata" }, { special = "loud" } }
end


function G:array(name)
  local random = self.random
  local array = {}
  for i = 1, random:int(0, 4) do
    array[i] = self:string(name)
  end
  if random:once_in(6) then
    array[random:int(1, 5)] = random:pick { 1, true, {}, { special = "function" } }
  end
  if random:once_in(10) then
    array.x = "y"
  end
  return array
end


--- A header's value; `nil` now and then.
function G:value(name)
  local random = self.random
  local kind = random:int(1, 24)
  if kind <= 14 then
    return self:string(name)
  elseif kind <= 19 then
    return self:array(name)
  elseif kind <= 21 then
    return self:number()
  elseif kind == 22 then
    return random:once_in(2)
  elseif kind == 23 then
    return self:odd()
  end
end


function G:any_name()
  local random = self.random
  if random:once_in(25) then
    return random:pick { 1, true, {}, { special = "loud" } }
  elseif random:once_in(40) then
    return nil
  end
  return self:name()
end


local function is_refused(value)
  if type(value) ~= "table" then
    return false
  end
  for _, item in pairs(value) do
    if value.special or type(item) ~= "string" then
      return true
    end
  end
  return false
end


--- A table of headers, with at most one pair of a wrong type: which of two is named depends on the
-- order of a table.
function G:headers()
  local random = self.random
  local headers, refused = {}, false
  for _ = 1, random:int(0, 5) do
    local name = self:name()
    local value = self:value(name)
    if headers[name] == nil and not (refused and is_refused(value)) then
      refused = refused or is_refused(value)
      headers[name] = value
    end
  end
  if not refused and random:once_in(30) then
    headers[random:pick { 1, true }] = "x"
  end
  return headers
end


function G:status(statuses)
  local random = self.random
  if random:once_in(12) then
    return random:pick {
      99, 600, 0, -1, 1000, 0 / 0, 1 / 0, "200", 200.9, 599.9, 99.9, true, { special = "function" },
    }
  end
  return random:pick(statuses or STATUSES)
end


--- A table with one key per object, so that its JSON does not depend on the order of a table.
function G:body_table(depth)
  local random = self.random
  local kind = random:int(1, 12)
  if kind <= 5 or depth > 3 then
    return { message = random:once_in(6) and self:number() or self:text(20) }
  elseif kind <= 8 then
    local array = {}
    for i = 1, random:int(0, 4) do
      array[i] = random:pick { 1, "x", true, 0.1, "\0\127\255/\"" }
    end
    array[random:int(1, 6)] = random:pick { 7, "y" }
    return array
  elseif kind == 9 then
    return {}
  elseif kind == 10 then
    return { key = self:odd() }
  elseif kind == 11 then
    return { special = "cycle" }
  end
  return { [random:pick { "a", "b/c", 1.5, -1, true }] = self:body_table(depth + 1) }
end


function G:body()
  local random = self.random
  local kind = random:int(1, 14)
  if kind <= 5 then
    return nil
  elseif kind <= 9 then
    return random:pick { "", "x", "12345678", self:text(40), ("long"):rep(500), "\0\255" }
  elseif kind <= 13 then
    return self:body_table(1)
  end
  return random:pick { 1, true, { special = "function" } }
end


local function operation(name, ...)
  return { name, n = select("#", ...), ... }
end


function G:exit(phase)
  local random = self.random
  local status, body = self:status(), self:body()
  -- nginx drops what was printed before it closes a connection
  if status == 444 then
    status = 403
  end
  local headers
  if random:once_in(2) then
    headers = self:headers()
  elseif random:once_in(30) then
    headers = random:pick { 1, "x", true }
  end
  local name = "exit"
  if random:once_in(4) then
    name = "error"
    status = random:once_in(10) and status
      or random:pick { 400, 401, 403, 404, 418, 422, 500, 502, 503, 511, 599, 499, 408 }
    if random:once_in(2) then
      body = random:pick { "no", self:text(30), "<b>&\"", "%s%d", "\255\254" }
    end
  end
  -- the others have no coroutines
  if phase and phase ~= "log" and phase ~= "balancer" and random:once_in(6) then
    name = "delayed_" .. name
  end
  return operation(name, status, body, headers)
end


function G:operation(phase)
  local random = self.random
  local function header_write()
    local name = self:any_name()
    local value = type(name) == "string" and self:value(name) or "x"
    return name, value
  end

  -- After nginx has dropped a chunk it takes the rest of content for a body filter, whose chunk is
  -- whatever was there last.
  local is_lost = phase == "content" and not self.kong
  local body = phase == "body_filter" and 14 or is_lost and 0 or 1

  local kind = random:weighted {
    { 20, "set_header" }, { 14, "add_header" }, { 10, "clear_header" }, { 10, "set_headers" },
    { 4, "set_status" }, { 3, "get_status" }, { 12, "get_header" }, { 6, "get_headers" },
    { 2, "get_source" }, { 2, "exit" }, { body, "get_raw_body" },
    { math.ceil(body / 2), "set_raw_body" }, { 6, "ngx.header" },
    { 5, "ngx.header=" }, { 4, "ngx.resp.get_headers" }, { 1, "ngx.status" },
    { 1, "ngx.status=" }, { phase == "body_filter" and 8 or 0, "ngx.arg" },
    { phase == "body_filter" and 8 or 0, "ngx.arg=" },
  }
  if kind == "set_header" or kind == "add_header" then
    return operation(kind, header_write())
  elseif kind == "clear_header" or kind == "get_header" then
    local name = self:any_name()
    if name == "" and random:once_in(2) then
      return operation(kind)
    end
    return operation(kind, name)
  elseif kind == "set_headers" then
    if random:once_in(20) then
      return operation(kind, random:pick { "x", 1, true })
    end
    return operation(kind, self:headers())
  elseif kind == "set_status" then
    return operation(kind, self:status())
  elseif kind == "get_headers" then
    if random:once_in(2) then
      return operation(kind)
    end
    return operation(kind, random:pick {
      1, 2, 3, 5, 10, 100, 1000, 0, 1001, 1.5, 0 / 0, "5", true,
    })
  elseif kind == "exit" then
    return self:exit(phase)
  elseif kind == "set_raw_body" then
    return operation(kind, random:pick { "", "x", "replaced", self:text(20), 1, true })
  elseif kind == "ngx.header" then
    return operation(kind, self:name())
  elseif kind == "ngx.header=" then
    local name = self:name()
    if name:lower():find("^transfer[-_]encoding$") then
      name = "X-A"
    end
    local value = self:value(name)
    if type(value) == "table" then
      value = random:pick { {}, { "a" }, { "a", "b" }, { "/a", "b", "" }, { 1, 2 } }
    end
    return operation(kind, name, value)
  elseif kind == "ngx.resp.get_headers" then
    return operation(kind, random:pick { 0, 1, 2, 4, 100, 1000 }, random:once_in(3))
  elseif kind == "ngx.status=" then
    return operation(kind, random:pick(STATUSES))
  elseif kind == "ngx.arg" then
    return operation(kind, random:int(1, 2))
  elseif kind == "ngx.arg=" then
    if random:once_in(3) then
      return operation(kind, 2, random:once_in(2))
    end
    return operation(kind, 1, random:pick { "", "arg", self:text(10), { "t", "a", 1 }, 5, true })
  end
  return operation(kind)
end


function G:operations(phase, most)
  local list = {}
  for i = 1, self.random:int(0, most) do
    list[i] = self:operation(phase)
  end
  return list
end


function G:request()
  local random = self.random
  local headers = {}
  local function add(name, value)
    headers[#headers + 1] = { name, value }
  end
  for _ = 1, random:once_in(2) and 1 or 0 do
    add(random:pick { "Accept", "accept" }, random:pick {
      "text/html", "text/plain", "application/xml;q=0.9, */*;q=0.1", "*/*", "text/*", "json",
      "image/png, text/html;q=0.9", "APPLICATION/JSON", "text/html;q=0", ";;,,q=", "",
      "text/plain;q=0.5, text/html;q=0.7",
    })
  end
  if random:once_in(8) then
    add("Accept", random:pick { "text/html", "application/xml" })
  end
  if random:once_in(5) then
    add("Content-Type", random:pick {
      "application/grpc", "application/json", "application/grpc+x", "application/grpc-web",
      "Application/gRPC-Web-text+proto",
    })
  end
  if random:once_in(12) then
    add("Connection", random:pick { "close", "keep-alive", "Keep-Alive", "CLOSE" })
  end
  if random:once_in(8) then
    add("If-None-Match", random:pick {
      "1", "2", '"1"', 'W/"1"', "x", "*", '"3", "1"', "W/1 , x", "1x", "", ",", '"1', "W/",
    })
  end
  if random:once_in(15) then
    add("If-Modified-Since", random:pick(DATES))
  end
  if random:once_in(12) then
    add("If-Match", random:pick {
      "1", "2", '"1"', 'W/"1"', "x", "*", '"3", "1"', "W/1 , x", "1x", "", ",", '"1',
    })
  end
  if random:once_in(15) then
    add("If-Unmodified-Since", random:pick(DATES))
  end
  if random:once_in(20) then
    add("Range", random:pick { "bytes=0-1", "bytes=-1", "bytes=1-", "bytes=9-", "x" })
  end
  if random:once_in(15) then
    add("User-Agent", random:pick { "curl/8", "Mozilla/5.0 (X11; rv:120.0) Gecko/20100101" })
  end
  return {
    method = random:weighted { { 16, "GET" }, { 3, "HEAD" }, { 2, "POST" }, { 1, "DELETE" } },
    version = random:once_in(12) and 1.0 or 1.1,
    headers = headers,
  }
end


function G:upstream()
  local random = self.random
  local headers = {}
  local function add(name, value)
    headers[#headers + 1] = { name, value }
  end
  for _ = 1, random:int(0, 6) do
    local name = random:pick {
      "X-A", "x-b", "X_Foo", "X-Foo", "x_b", "Set-Cookie", "Vary", "Server", "Date", "ETag",
      "E-Tag", "Content-Encoding", "Location", "Refresh", "Last-Modified", "Content-Range",
      "Accept-Ranges", "Digest", "Content-Digest", "Repr-Digest", "Content-MD5", "Trailer",
      "grpc-status", "grpc-message", "grpc-encoding",
      "WWW-Authenticate", "Expires", "Cache-Control", "Link", "Connection", "Keep-Alive",
      "X-Accel-Buffering", "X-Pad", "Status", "Content-Disposition", "Content-Type",
      "cache-control",
    }
    local folded = name:lower()
    local value = random:pick { "1", "up", "a b", "\195\169", "" }
    if folded == "last-modified" or folded == "expires" then
      value = random:pick(DATES)
    elseif folded == "location" then
      value = random:pick { "/up", "http://up/", "up" }
    elseif folded == "content-type" then
      value = random:pick {
        "text/html", "text/html; charset=utf-8", "a/b; x=y", 'text/css;charset="x"',
        "application/grpc", "application/grpc-web+proto",
      }
    elseif folded == "x-accel-buffering" then
      value = "yes"
    elseif folded == "connection" then
      value = "close"
    end
    add(name, value)
  end
  local status = random:pick { 200, 200, 200, 200, 204, 206, 301, 304, 404, 500, 503, 418, 201 }
  local body = random:pick { "", "upstream", "0123456789", ("up"):rep(300) }
  if status == 204 or status == 304 then
    body = ""
  end
  local framing = random:pick { "length", "length", "chunked", "close" }
  if framing == "length" and status ~= 204 and status ~= 304 then
    add(random:pick { "Content-Length", "content-length" }, tostring(#body))
  elseif framing == "chunked" and status ~= 204 and status ~= 304 then
    add("Transfer-Encoding", "chunked")
  end
  return { status = status, headers = headers, body = body }
end


function G:phases()
  local random = self.random
  if random:once_in(8) then
    local phase = random:pick { "rewrite", "access", "content", "balancer", "header_filter", "log" }
    return { [phase] = random:pick(FALSE_PHASES) }
  end
  return {}
end


--- Without the preconditions whose failure nginx answers by itself. A header filter that exits and
-- a body filter that replaces the body would run for nginx's answer, without a context.
local function without_preconditions(headers)
  local kept = {}
  for _, header in ipairs(headers) do
    if header[1] ~= "If-Match" and header[1] ~= "If-Unmodified-Since" then
      kept[#kept + 1] = header
    end
  end
  return kept
end


local function may_call(operations, ...)
  for _, one in ipairs(operations) do
    for i = 1, select("#", ...) do
      if one[1]:find((select(i, ...)), 1, true) then
        return true
      end
    end
  end
  return false
end


local function may_replace_body(chunks)
  for _, operations in ipairs(chunks) do
    if may_call(operations, "set_raw_body") then
      return true
    end
  end
  return false
end


--- The sequence number `index` of `seed`.
local function generate(seed, index)
  local random = new_random(seed, index)
  local self = setmetatable({ random = random }, G)
  self.kong = not random:once_in(4)
  local sequence = {
    request = self:request(),
    kong = self.kong,
    phases = self:phases(),
  }
  local proxied = random:once_in(4)
  if proxied then
    sequence.upstream = self:upstream()
  end

  local left = random:int(1, MOST_OPERATIONS)
  local function fill(phase, share)
    local list = self:operations(phase, math.floor(left * share))
    left = left - #list
    return list
  end
  sequence.rewrite = random:once_in(4) and fill("rewrite", 0.5) or {}
  sequence.access = fill("access", 0.7)
  if random:once_in(3) then
    sequence.access[#sequence.access + 1] = self:exit()
  end
  if proxied and random:once_in(3) then
    sequence.balancer = fill("balancer", 0.5)
    if random:once_in(6) then
      sequence.balancer[#sequence.balancer + 1] = self:exit()
    end
  end
  if not proxied then
    sequence.content = fill("content", 0.8)
    for _ = 1, random:int(0, 3) do
      table.insert(sequence.content, random:int(1, #sequence.content + 1),
        operation("ngx.print", random:pick { "body", "", "12345678", ("p"):rep(100) }))
    end
    if random:once_in(2) then
      sequence.content[#sequence.content + 1] = self:exit()
    end
  end
  sequence.header_filter = fill("header_filter", 0.8)
  if random:once_in(8) then
    table.insert(sequence.header_filter, self:exit())
  end
  sequence.body_filter = { {} }
  for i = 1, random:once_in(3) and random:int(1, 3) or 0 do
    sequence.body_filter[i] = fill("body_filter", 0.5)
  end
  if not random:once_in(3) then
    for _, list in ipairs(sequence.body_filter) do
      table.insert(list, 1, operation "send_response_body")
    end
  end
  for _, list in ipairs(sequence.body_filter) do
    for i, one in ipairs(list) do
      -- nginx sends a buffer twice that Lua emptied and took the end from: it reuses it too early.
      if i > 1 and one[1] == "ngx.arg=" and one[3] == false then
        one[3] = true
      end
    end
  end
  sequence.log = {}
  for i = 1, random:int(0, math.min(left, 6)) do
    sequence.log[i] = random:once_in(3) and self:operation("log")
      or operation(random:pick(READERS), random:once_in(2) and "X-A" or nil)
  end
  sequence.max_body_size = random:once_in(3) and random:int(1, 20) or nil
  if may_call(sequence.header_filter, "exit", "error") or may_replace_body(sequence.body_filter)
  then
    sequence.request.headers = without_preconditions(sequence.request.headers)
  end
  if random:once_in(3) then
    requests.add(sequence, self)
  end
  return sequence
end


return { generate = generate, BITS = BITS }
