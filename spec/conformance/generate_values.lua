--- Makes random values for sequences: names and values of headers, statuses, bodies.

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

-- A generator of values. `random` is its source of random numbers.
local G = { DATES = DATES, STATUSES = STATUSES }
G.__index = G


function G.new(random)
  return setmetatable({ random = random }, G)
end


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


--- Returns a string that usually fits the header.
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


--- Returns a value of a header, sometimes `nil`.
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


--- Returns a table of headers. At most one pair has a wrong type: with two, the order of the table
-- would decide which one the error names.
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


--- Returns a table with one key per object, so that its JSON does not depend on the order of keys.
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


return G
