--- Sends requests with libcurl. libcurl runs in the process of the specs, because starting curl
-- would take longer than a request.

local ffi = require "ffi"
local process = require "spec.support.process"


ffi.cdef [[
void *curl_easy_init(void);
int curl_easy_setopt(void *handle, int option, ...);
const char *curl_easy_strerror(int code);
void curl_easy_cleanup(void *handle);
void *curl_slist_append(void *list, const char *line);
void curl_slist_free_all(void *list);
void *curl_multi_init(void);
int curl_multi_add_handle(void *multi, void *handle);
int curl_multi_remove_handle(void *multi, void *handle);
int curl_multi_perform(void *multi, int *running);
int curl_multi_poll(void *multi, void *more, unsigned int count, int milliseconds, int *ready);
void *curl_multi_info_read(void *multi, int *left);
int curl_multi_cleanup(void *multi);

void *open_memstream(char **bytes, size_t *length);
int fclose(void *stream);
void free(void *bytes);
]]

local C = ffi.C
local libcurl = ffi.load "libcurl.so.4"

local message_type = ffi.typeof [[
  struct { int message; void *handle; union { void *data; int result; } of; } *
]]

-- Constants of curl.h.
local OPTION = {
  WRITEDATA = 10001, URL = 10002, ERRORBUFFER = 10010, HTTPHEADER = 10023, HEADERDATA = 10029,
  CUSTOMREQUEST = 10036, NOBODY = 44, POSTFIELDSIZE = 60, FRESH_CONNECT = 74, FORBID_REUSE = 75,
  HTTP_VERSION = 84, NOSIGNAL = 99, ACCEPT_ENCODING = 10102, TIMEOUT_MS = 155,
  HTTP_TRANSFER_DECODING = 157, HTTP_CONTENT_DECODING = 158, COPYPOSTFIELDS = 10165,
  BUFFERSIZE = 98, NOPROXY = 10177, REQUEST_TARGET = 10266,
}
local VERSIONS = { ["1.0"] = 1, ["1.1"] = 2, ["2"] = 5 }
local ERROR_SIZE = 256
local DONE = 1

local POLL_MILLISECONDS = 20


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


--- Makes an empty response.
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


--- Collects the bytes that libcurl writes to a FILE pointer.
local function memory_stream()
  local bytes, length = ffi.new "char *[1]", ffi.new "size_t[1]"
  local file = C.open_memstream(bytes, length)
  --- Closes the stream and returns the written bytes.
  local function close()
    C.fclose(file)
    local text = ffi.string(bytes[0], length[0])
    C.free(bytes[0])
    return text
  end
  return file, close
end


--- Returns the lines of the request's headers. Only the spec's headers are sent: this removes those
-- that libcurl would add.
local function header_list(lines)
  local list = nil
  for _, name in ipairs { "accept", "user-agent", "content-type", "expect" } do
    if not has_header(lines, name) then
      list = libcurl.curl_slist_append(list, name .. ":")
    end
  end
  for _, line in ipairs(lines) do
    -- For libcurl, "Name;" sends a header without a value, and "Name:" removes a header.
    list = libcurl.curl_slist_append(list, (line:gsub("^([^:]+):%s*$", "%1;")))
  end
  return list
end


local Job = {}
Job.__index = Job


--- Prepares a request.
-- @tparam table spec see `nginx.lua`
-- @tparam number port
local function prepare(spec, port)
  local handle = libcurl.curl_easy_init()
  local function set(option, value)
    if type(value) == "number" then
      value = ffi.cast("long", value)
    end
    assert(libcurl.curl_easy_setopt(handle, OPTION[option], value) == 0, option)
  end

  local self = setmetatable({ handle = handle }, Job)
  self.head_stream, self.close_head = memory_stream()
  self.body_stream, self.close_body = memory_stream()
  self.message = ffi.new("char[?]", ERROR_SIZE)
  self.list = header_list(spec.headers or {})

  set("URL", "http://127.0.0.1:" .. port .. "/")
  set("REQUEST_TARGET", spec.path or "/")
  set("HTTP_VERSION", VERSIONS[spec.http2 and "2" or spec.http_version or "1.1"])
  set("TIMEOUT_MS", (spec.max_time or process.NGINX_SECONDS) * 1000)
  set("NOPROXY", "*")
  set("NOSIGNAL", 1)
  -- as curl does: with the default of 16 KB, libcurl 7.88 can miss the end of an HTTP/2 response
  set("BUFFERSIZE", 102400)
  set("FRESH_CONNECT", 1)
  set("FORBID_REUSE", 1)
  set("ERRORBUFFER", self.message)
  set("HEADERDATA", self.head_stream)
  set("WRITEDATA", self.body_stream)
  set("HTTPHEADER", self.list)
  if spec.raw then
    set("HTTP_TRANSFER_DECODING", 0)
    set("HTTP_CONTENT_DECODING", 0)
  end
  if spec.compressed then
    set("ACCEPT_ENCODING", "")
  end
  if spec.body then
    set("POSTFIELDSIZE", #spec.body)
    set("COPYPOSTFIELDS", spec.body)
  end
  if spec.method == "HEAD" then
    set("NOBODY", 1)
  elseif spec.method then
    set("CUSTOMREQUEST", spec.method)
  end
  return self
end


--- Makes the response. `exit` is curl's exit code, or nil if the client hangs up.
function Job:finish(exit)
  libcurl.curl_easy_cleanup(self.handle)
  libcurl.curl_slist_free_all(self.list)
  local response = parse_response(self.close_head(), self.close_body(), exit)
  response.error = ffi.string(self.message)
  if response.error == "" and exit then
    response.error = ffi.string(libcurl.curl_easy_strerror(exit))
  end
  return response
end


--- Sends requests, and waits for their responses.
-- @tparam table requests each { spec, port }
-- @tparam number at_once the maximum number of concurrent requests
-- @tparam[opt] function hangs_up is called repeatedly. If it returns true, all clients hang up.
-- @treturn table the responses, in the order of the requests
function _M.run(requests, at_once, hangs_up)
  local multi = libcurl.curl_multi_init()
  local running, left = ffi.new "int[1]", ffi.new "int[1]"
  local jobs, responses, sent = {}, {}, 0

  local function finish(index, exit)
    local job = jobs[index]
    jobs[index] = nil
    libcurl.curl_multi_remove_handle(multi, job.handle)
    responses[index] = job:finish(exit)
  end

  local function finish_done()
    local pointer = libcurl.curl_multi_info_read(multi, left)
    while pointer ~= nil do
      local message = ffi.cast(message_type, pointer)
      local handle, exit = message.handle, message.of.result
      if message.message == DONE then
        for index, job in pairs(jobs) do
          if job.handle == handle then
            finish(index, exit)
            break
          end
        end
      end
      pointer = libcurl.curl_multi_info_read(multi, left)
    end
  end

  local ok, err = true, nil
  local has_hung_up = false
  repeat
    while running[0] < at_once and sent < #requests do
      sent = sent + 1
      jobs[sent] = prepare(requests[sent][1], requests[sent][2])
      libcurl.curl_multi_add_handle(multi, jobs[sent].handle)
      running[0] = running[0] + 1
    end
    libcurl.curl_multi_perform(multi, running)
    finish_done()
    if hangs_up then
      ok, has_hung_up = pcall(hangs_up)
      err = has_hung_up
    end
    if next(jobs) and not has_hung_up then
      libcurl.curl_multi_poll(multi, nil, 0, POLL_MILLISECONDS, nil)
    end
  until has_hung_up or not ok or not next(jobs) and sent == #requests

  for index in pairs(jobs) do
    finish(index, nil)
  end
  libcurl.curl_multi_cleanup(multi)
  if not ok then
    error(err, 0)
  end
  return responses
end


return _M
