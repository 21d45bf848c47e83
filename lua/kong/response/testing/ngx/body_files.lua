--- Stores a request body as nginx does: in memory, or in a temporary file if it does not fit into
-- the buffer.

local fields = require "kong.response.testing.fields"


local assert = assert
local floor = math.floor
local open = io.open
local remove = os.remove
local tmpname = os.tmpname


-- nginx's default for client_body_buffer_size, which is also that of a gateway.
local DEFAULT_BUFFER = 8192


local _M = {}


--- Whether nginx has the body in a file. If the client has sent the length of the body, the buffer
-- grows by up to a quarter.
function _M.is_in_file(request)
  if not request.body_read or request.sets_body then
    return false
  end
  local size = request.buffer_size or DEFAULT_BUFFER
  if fields.find(request.headers, "transfer-encoding") then
    return #request.body >= size
  end
  return #request.body >= size + floor(size / 4)
end


--- Returns the body if code has read it, and it is in memory and not empty.
-- @treturn ?string
function _M.in_memory(request)
  if request.body_read and request.body ~= "" and not _M.is_in_file(request) then
    return request.body
  end
end


--- Returns the path of the file with the body, or nil. Writes the file if it does not exist.
-- @treturn ?string
function _M.path(request)
  if not _M.is_in_file(request) then
    return nil
  elseif not request.body_file then
    local path = tmpname()
    local file = assert(open(path, "wb"))
    request.body_file = path
    assert(file:write(request.body))
    file:close()
    if request.has_no_file then
      remove(path)
    end
  end
  return request.body_file
end


--- nginx reads the whole body before it asks the upstream. It removes the file at once, unless Lua
-- code has read the body, but keeps the path.
function _M.read_by_nginx(request)
  request.has_no_file = not request.body_read
  request.body_read = true
end


--- Removes the file, if it exists.
function _M.remove(request)
  if request.body_file then
    remove(request.body_file)
    request.body_file = nil
  end
end


return _M
