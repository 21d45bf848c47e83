--- Makes random operations of a plugin: { name, argument, ..., n = the number of arguments }.

local _M = {}


function _M.operation(name, ...)
  return { name, n = select("#", ...), ... }
end

local operation = _M.operation


--- Makes an exit or an error. Without a phase, it is not delayed.
function _M.exit(g, phase)
  local random = g.random
  local status, body = g:status(), g:body()
  -- nginx drops the printed output before it closes a connection.
  if status == 444 then
    status = 403
  end
  local headers
  if random:once_in(2) then
    headers = g:headers()
  elseif random:once_in(30) then
    headers = random:pick { 1, "x", true }
  end
  local name = "exit"
  if random:once_in(4) then
    name = "error"
    status = random:once_in(10) and status
      or random:pick { 400, 401, 403, 404, 418, 422, 500, 502, 503, 511, 599, 499, 408 }
    if random:once_in(2) then
      body = random:pick { "no", g:text(30), "<b>&\"", "%s%d", "\255\254" }
    end
  end
  -- The other phases have no coroutines.
  if phase and phase ~= "log" and phase ~= "balancer" and random:once_in(6) then
    name = "delayed_" .. name
  end
  return operation(name, status, body, headers)
end


--- Makes an operation of any kind.
function _M.any(g, phase)
  local random = g.random
  local function header_write()
    local name = g:any_name()
    local value = type(name) == "string" and g:value(name) or "x"
    return name, value
  end

  -- After nginx has dropped a chunk, it treats the rest of content as a body filter. Its chunk is
  -- the last one.
  local is_lost = phase == "content" and not g.kong
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
    local name = g:any_name()
    if name == "" and random:once_in(2) then
      return operation(kind)
    end
    return operation(kind, name)
  elseif kind == "set_headers" then
    if random:once_in(20) then
      return operation(kind, random:pick { "x", 1, true })
    end
    return operation(kind, g:headers())
  elseif kind == "set_status" then
    return operation(kind, g:status())
  elseif kind == "get_headers" then
    if random:once_in(2) then
      return operation(kind)
    end
    return operation(kind, random:pick {
      1, 2, 3, 5, 10, 100, 1000, 0, 1001, 1.5, 0 / 0, "5", true,
    })
  elseif kind == "exit" then
    return _M.exit(g, phase)
  elseif kind == "set_raw_body" then
    return operation(kind, random:pick { "", "x", "replaced", g:text(20), 1, true })
  elseif kind == "ngx.header" then
    return operation(kind, g:name())
  elseif kind == "ngx.header=" then
    local name = g:name()
    if name:lower():find("^transfer[-_]encoding$") then
      name = "X-A"
    end
    local value = g:value(name)
    if type(value) == "table" then
      value = random:pick { {}, { "a" }, { "a", "b" }, { "/a", "b", "" }, { 1, 2 } }
    end
    return operation(kind, name, value)
  elseif kind == "ngx.resp.get_headers" then
    return operation(kind, random:pick { 0, 1, 2, 4, 100, 1000 }, random:once_in(3))
  elseif kind == "ngx.status=" then
    return operation(kind, random:pick(g.STATUSES))
  elseif kind == "ngx.arg" then
    return operation(kind, random:int(1, 2))
  elseif kind == "ngx.arg=" then
    if random:once_in(3) then
      return operation(kind, 2, random:once_in(2))
    end
    return operation(kind, 1, random:pick { "", "arg", g:text(10), { "t", "a", 1 }, 5, true })
  end
  return operation(kind)
end


--- Makes at most `most` operations.
function _M.list(g, phase, most)
  local list = {}
  for i = 1, g.random:int(0, most) do
    list[i] = _M.any(g, phase)
  end
  return list
end


return _M
