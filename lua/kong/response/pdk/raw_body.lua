--- Reads the client's body, which nginx has in memory or in a temporary file.

local fmt = string.format
local open = io.open


local NOT_IN_MEMORY = "request body did not fit into client body buffer, consider raising"
  .. " 'client_body_buffer_size'"


local function read_file(path, limit)
  local file, err = open(path, "rb")
  if not file then
    return nil, fmt("failed to open cached request body '%s': %s", path, err)
  end
  local size = file:seek("end") or 0
  if limit > 0 and size > limit then
    file:close()
    return nil, fmt("request body file too big: %d > %d", size, limit)
  end
  file:seek("set")
  local body
  body, err = file:read("*a")
  file:close()
  if not body then
    return nil, fmt("failed to read cached request body '%s': %s", path, err)
  end
  return body
end


--- Makes the function that reads the body.
-- @tparam table ngx
-- @treturn function `read(limit) -> string | nil, err`. `limit` is the maximum size of a file, in
--   bytes. With 0 there is no maximum. With nil or a negative number, it reads no file.
return function(ngx)
  return function(limit)
    ngx.req.read_body()
    local body = ngx.req.get_body_data()
    if body then
      return body
    end
    local path = ngx.req.get_body_file()
    if not path then
      return ""
    elseif not limit or limit < 0 then
      return nil, NOT_IN_MEMORY
    end
    return read_file(path, limit)
  end
end
