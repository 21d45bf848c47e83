--- Adds `kong.request` and `kong.service.request` to a sequence:
--
--     sequence.pdk = { trusted = whether the client is a trusted proxy }
--     sequence.request.path = what follows the location, with the query; .host; .body
--
-- and operations such as { "kong.request.get_header", "X-A", n = 1 } in rewrite and access, and
-- getters in the other phases.

local operation = require("spec.conformance.generate_operations").operation


local PATHS = {
  "", "/", "/a", "/a/b/", "/a%2fb", "/a/../b", "/a//b", "/a/./b/", "/%41%7e%20", "/\195\169",
  "/x;y=1", "/a+b", "/%e9", "/a%3fb", "/A~!*'()", '/"<>^`{|}', "/..a", "/a%2e%2e/b", "/a/b/..",
}

local QUERIES = {
  "a=1", "a=2", "b", "b=", "c=%20+x", "=v", "A=1", "d=a=b", "e=%C3%A9", "", "a[]=1", "f=%zz",
  "g=\195\169", "h=?", "_", "i=%",
}

local CLIENT_HEADERS = {
  { "X-Forwarded-Proto", { "https", "HTTP", "http, https", "" } },
  { "X-Forwarded-Host", { "b", "user@Example.com:8443", "[::1]:80", "c:99999", "" } },
  { "X-Forwarded-Port", { "443", "0", "abc", "70000", "0080" } },
  { "X-Forwarded-Path", { "/f", "f?x" } },
  { "X-Forwarded-Prefix", { "/p", "" } },
  { "X-Forwarded-For", { "192.0.2.1", "192.0.2.1, 192.0.2.2" } },
  { "Cookie", { "a=1", "b=2; c=3" } },
  { "X-A", { "1", "p, q", "", "\195\169" } },
  { "x-a", { "2" } },
  { "Y_A", { "3" } },
  { "X-B", { "", "b" } },
  { "TE", { "trailers" } },
  { "Keep-Alive", { "5" } },
  { "Via", { "1.1 a" } },
}

-- nginx accepts each of these headers only once.
local BODIES = {
  { "application/x-www-form-urlencoded", { "a=1&b=2&a=3", "a", "=1", "a=%20+", "" } },
  { "application/json", { '{"a":[1,2]}', "[]", "1", "{", "null", '{"a":null}' } },
  { "application/json; charset=utf-8", { '{"a":true}' } },
  { "Application/JSON", { '{"a":"b"}' } },
  { "multipart/form-data; boundary=b", {
    '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n', "x",
  } },
  { "multipart/form-data", { "x" } },
  { "text/plain", { "x", "\0\255" } },
}

local NAMES = {
  "X-A", "x-a", "Y_A", "y_a", "X-B", "X-C", "Cookie", "Host", "host", "User-Agent", "Accept",
  "Authorization", "X-Forwarded-Host", "X-Forwarded-Proto", "Via", "X-Forwarded-For",
  "If-None-Match", "If-Modified-Since", "Range", "Content-Type", "Referer",
  "Accept-Encoding", "Upgrade", "Connection", "TE",
}

local NEW_PATHS = {
  "/", "/new path", "/a%2fb", "/a?x=1", "/\195\169", "//", "/a#b", '/"<>^`{|}\\', "/\r\n",
  "/a/../b", "/a%20b", "/\127\1", "x", "", 1, true,
}

local NEW_QUERIES = { "", "a=1", "a=1&a=2", "?x", "a=%20", "\195\169", "&&", "x \t\r\n", 1, true }

local GETTERS = {
  "get_scheme", "get_host", "get_port", "get_forwarded_scheme", "get_forwarded_host",
  "get_forwarded_port", "get_forwarded_path", "get_forwarded_prefix", "get_http_version",
  "get_method", "get_path", "get_raw_path", "get_path_with_query", "get_raw_query",
  "get_uri_captures",
}

local METHODS = {
  "GET", "GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "MKCOL", "PROPFIND", "PATCH", "get",
  "CONNECT", "", 1,
}

local LIMITS = { 1, 2, 3, 100, 1000, 0, 1001, 1.5, "5" }


local function getter(g)
  local random = g.random
  local kind = random:int(1, 12)
  if kind <= 5 then
    return operation("kong.request." .. random:pick(GETTERS))
  elseif kind <= 7 then
    return operation("kong.request.get_header", random:once_in(15) and random:pick { 1, true }
      or g:case(random:pick(NAMES)))
  elseif kind == 8 then
    return operation("kong.request.get_query_arg", random:pick { "a", "b", "c", "A", "", "x", 1 })
  elseif kind == 9 then
    if random:once_in(2) then
      return operation "kong.request.get_query"
    end
    return operation("kong.request.get_query", random:pick(LIMITS))
  elseif kind == 10 then
    if random:once_in(2) then
      return operation "kong.request.get_headers"
    end
    return operation("kong.request.get_headers", random:pick(LIMITS))
  elseif kind == 11 then
    return operation "kong.request.get_raw_body"
  elseif random:once_in(2) then
    return operation "kong.request.get_body"
  elseif random:once_in(2) then
    return operation("kong.request.get_body", BODIES[1][1], random:pick(LIMITS))
  end
  return operation("kong.request.get_body", random:pick(BODIES)[1])
end


local function header_value(g, name)
  local random = g.random
  if name:lower() == "host" then
    return random:pick { "b", "B.example:81", { "b", "c" }, 1, true }
  end
  return g:value(name)
end


-- If a request has X-A and X_A, the version of lua-resty-core decides which one a table of headers
-- finds.
local function new_name(g)
  local name = g:case(g.random:pick(NAMES))
  return (name:gsub("^([Xx])_", "%1-"))
end


-- nginx refuses a request without Host, and the upstream is an nginx.
local function no_host(g)
  local name = new_name(g)
  return name:lower() == "host" and "X-A" or name
end


local function arguments(g)
  local random = g.random
  local args = {}
  for _ = 1, random:int(0, 3) do
    args[random:pick { "a", "b", "c d", "\195\169", "", "e&" }] = random:pick {
      "", "x y", "\195\169", 1, true, false, { "1", "2" }, { "1", 2, true }, {}, "&=?",
    }
  end
  if random:once_in(20) then
    return random:pick { { 1 }, { a = {{}} }, "x", { a = { special = "function" } } }
  end
  return args
end


local function setter(g)
  local random = g.random
  local kind = random:int(1, 14)
  local what = "kong.service.request."
  if kind == 1 then
    return operation(what .. "set_method", random:pick(METHODS))
  elseif kind == 2 then
    return operation(what .. "set_path", random:pick(NEW_PATHS))
  elseif kind == 3 then
    return operation(what .. "set_raw_query", random:pick(NEW_QUERIES))
  elseif kind == 4 then
    return operation(what .. "set_query", arguments(g))
  elseif kind == 5 then
    return operation(what .. "clear_query_arg", random:pick { "a", "b", "A", "x", "", 1 })
  elseif kind <= 7 then
    local name = new_name(g)
    return operation(what .. "set_header", name, header_value(g, name))
  elseif kind == 8 then
    local name = new_name(g)
    return operation(what .. "add_header", name, header_value(g, name))
  elseif kind == 9 then
    return operation(what .. "clear_header", random:once_in(15) and 1 or no_host(g))
  elseif kind == 10 then
    local headers = {}
    for _ = 1, random:int(0, 3) do
      local name = no_host(g)
      headers[name] = random:pick { "s", "", 1, true, { "t", "u" }, {} }
    end
    return operation(what .. "set_headers", random:once_in(15) and "x" or headers)
  elseif kind == 11 then
    return operation(what .. "set_raw_body", random:pick {
      "", "raw", "\0\255", ("r"):rep(2000), 1, true,
    })
  elseif kind == 12 then
    if random:once_in(2) then
      return operation(what .. "set_body", arguments(g), "application/x-www-form-urlencoded")
    end
    return operation(what .. "set_body", g:body_table(1), random:pick {
      "application/json", "application/json; charset=utf-8", "text/plain", "APPLICATION/JSON", 1,
    })
  elseif kind == 13 then
    local args = random:pick { { a = "1" }, { a = 1, b = "x\r\n" }, {}, { a = {} }, { 1 } }
    return operation(what .. "set_body", args, "multipart/form-data; boundary=" .. random:pick {
      "b", '"c"',
    })
  end
  return operation(what .. "set_scheme", random:pick { "http", "http", "ftp", "HTTP", 1 })
end


local function insert(g, list, most, make)
  for _ = 1, g.random:int(0, most) do
    table.insert(list, g.random:int(1, #list + 1), make(g))
  end
end


local function setter_or_getter(g)
  return g.random:once_in(3) and getter(g) or setter(g)
end


local function has(headers, name)
  for _, header in ipairs(headers) do
    if header[1]:lower() == name then
      return true
    end
  end
end


local function change_request(g, sequence)
  local random, request = g.random, sequence.request
  local queries = {}
  for i = 1, random:int(0, 4) do
    queries[i] = random:pick(QUERIES)
  end
  request.path = random:pick(PATHS)
    .. ((#queries > 0 or random:once_in(8)) and "?" .. table.concat(queries, "&") or "")
  request.host = random:pick { "x", "x", "Example.COM", "a.b:8080", "[::1]:80" }
  for _ = 1, random:int(0, 5) do
    local header = random:pick(CLIENT_HEADERS)
    request.headers[#request.headers + 1] = { header[1], random:pick(header[2]) }
  end
  if random:once_in(4) then
    request.method = random:pick { "PUT", "PATCH", "OPTIONS", "POST" }
  end
  if random:once_in(2) then
    local body = random:pick(BODIES)
    if not has(request.headers, "content-type") then
      request.headers[#request.headers + 1] = { "Content-Type", body[1] }
    end
    request.body = random:pick(body[2])
    request.headers[#request.headers + 1] = { "Content-Length", tostring(#request.body) }
  end
end


local _M = {}


--- Adds these operations to a sequence.
-- @tparam table sequence
-- @tparam table g the generator
function _M.add(sequence, g)
  change_request(g, sequence)
  sequence.pdk = { trusted = g.random:once_in(2) }
  insert(g, sequence.rewrite, 3, setter_or_getter)
  insert(g, sequence.access, 6, setter_or_getter)
  for _, phase in ipairs { "content", "balancer", "header_filter", "log" } do
    if sequence[phase] then
      insert(g, sequence[phase], 2, getter)
    end
  end
end


return _M
