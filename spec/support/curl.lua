--- Requests by curl, and its responses.

local process = require "spec.support.process"


local read_file = process.read_file
local write_file = process.write_file


local _M = {}


local Response = {}
Response.__index = Response


function Response:values(name)
  local values = {}
  for _, header in ipairs(self.headers) do
    if header[1]:lower() == name:lower() then
      values[#values + 1] = header[2]
    end
  end
  return values
end


function Response:header(name)
  return self:values(name)[1]
end


--- The headers whose names begin with X-, in the order of the message: "name<separator>value".
function Response:own_headers(separator)
  local lines = {}
  for _, header in ipairs(self.headers) do
    if header[1]:find("^[Xx]%-") then
      lines[#lines + 1] = header[1] .. separator .. header[2]
    end
  end
  return lines
end


--- An empty response.
function _M.response()
  return setmetatable({ head = "", headers = {}, body = "" }, Response)
end


local function parse_fields(block)
  local fields = {}
  for name, value in block:gmatch("([^\r\n:]+):[ \t]?([^\r\n]*)\r?\n") do
    fields[#fields + 1] = { name, value }
  end
  return fields
end


local function parse_response(head, body, exit)
  local response = _M.response()
  response.body, response.exit = body, exit
  local start = 1
  while start <= #head do
    local _, stop = head:find("\r?\n\r?\n", start)
    local block = head:sub(start, stop or #head)
    local version, status, after = block:match("^HTTP/([%d.]+) (%d%d%d)[^\n]*\n()")
    if version then
      response.head = block
      response.version, response.status = version, tonumber(status)
      response.headers = parse_fields(block:sub(after))
    else
      response.trailers = parse_fields(block)
    end
    start = (stop or #head) + 1
  end
  return response
end


local function has_header(lines, name)
  for _, line in ipairs(lines) do
    if line:lower():sub(1, #name + 1) == name .. ":" then
      return true
    end
  end
  return false
end


--- Sends a request.
-- @tparam table spec see `nginx.lua`
-- @tparam number port
-- @tparam string base what the names of temporary files begin with
-- @treturn table what `finish` takes, with its `pid`
function _M.start(spec, port, base)
  local lines = spec.headers or {}
  local argv = {
    "curl", "-q", "--silent", "--show-error", "--noproxy", "*", "--globoff",
    spec.http2 and "--http2-prior-knowledge" or "--http" .. (spec.http_version or "1.1"),
    "--max-time", tostring(spec.max_time or 10),
    "--dump-header", base .. ".head",
    -- for HEAD curl would write the header again
    "--output", spec.method == "HEAD" and "/dev/null" or base .. ".body",
    "--request-target", spec.path or "/",
  }
  local function add(...)
    for _, argument in ipairs { ... } do
      argv[#argv + 1] = argument
    end
  end

  if spec.raw then
    add("--raw")
  end
  if spec.compressed then
    add("--compressed")
  end
  if spec.method == "HEAD" then
    add("--head")
  elseif spec.method then
    add("--request", spec.method)
  end
  if spec.body then
    write_file(base .. ".data", spec.body)
    add("--data-binary", "@" .. base .. ".data")
  end
  -- only what the spec asks for is sent: curl would add these on its own
  for _, name in ipairs { "accept", "user-agent", "content-type", "expect" } do
    if not has_header(lines, name) then
      add("--header", name .. ":")
    end
  end
  for _, line in ipairs(lines) do
    -- "Name;" is curl's way to send a header without a value, "Name:" drops it
    add("--header", (line:gsub("^([^:]+):%s*$", "%1;")))
  end
  add("http://127.0.0.1:" .. port .. "/")

  return { pid = process.spawn(argv, "/dev/null", base .. ".err"), base = base }
end


--- The response, once curl has ended with `exit`.
function _M.finish(job, exit)
  local base = job.base
  local response = parse_response(read_file(base .. ".head"), read_file(base .. ".body"), exit)
  response.error = read_file(base .. ".err")
  for _, suffix in ipairs { ".head", ".body", ".err", ".data" } do
    os.remove(base .. suffix)
  end
  return response
end


return _M
