--- Reads the upstream of a case.

local fields = require "kong.response.testing.fields"


local error = error
local floor = math.floor
local fmt = string.format
local sub = string.sub
local tostring = tostring
local type = type


local FIELDS = {
  status = "number",
  headers = "table",
  body = "string table",
  failure = "string",
}

-- The status of the gateway and the line of nginx's log, for each failure.
local FAILURES = {
  timeout = {
    status = 504,
    log = "upstream timed out (110: Connection timed out) while reading response header from"
          .. " upstream",
  },
  refused = {
    status = 502,
    log = "connect() failed (111: Connection refused) while connecting to upstream",
  },
  cut_off = {
    status = 502,
    log = "upstream prematurely closed connection while reading upstream",
  },
}


local function has_no_body(status)
  return status < 200 or status == 204 or status == 304
end


-- Returns the part of a body that arrives before the upstream fails: all chunks except the last
-- one, or the first half of a single chunk.
local function cut(chunks)
  local arrived = {}
  for i = 1, #chunks - 1 do
    arrived[i] = chunks[i]
  end
  if #chunks == 1 then
    arrived[1] = sub(chunks[1], 1, floor(#chunks[1] / 2))
  end
  return arrived
end


local _M = {}


--- Reads the description of an upstream's answer.
-- @tparam[opt] kong.response.testing.Upstream given
-- @treturn table
-- @raise see `kong.response.testing.run`
function _M.new(given)
  given = given or {}
  fields.check(given, FIELDS, "upstream")
  local failure
  if given.failure then
    failure = FAILURES[given.failure]
    if not failure then
      error(fmt("upstream.failure must be timeout, refused or cut_off, got %q", given.failure), 0)
    end
  end

  local status = given.status or 200
  if not (status >= 100 and status <= 599 and status % 1 == 0) then
    error(fmt("upstream.status must be a whole number from 100 to 599, got %s", tostring(status)),
          0)
  end
  local headers = fields.headers(given.headers, "upstream.headers")
  local chunks = given.body or ""
  local has_chunks = type(chunks) == "table"
  if has_chunks then
    fields.check_list(chunks, "upstream.body")
    for i = 1, #chunks do
      if type(chunks[i]) ~= "string" then
        error(fmt("upstream.body[%d] must be a string, got %s", i, type(chunks[i])), 0)
      end
    end
  else
    -- Servers send the length if they know it.
    if not fields.find(headers, "content-length")
      and not fields.find(headers, "transfer-encoding") and not has_no_body(status)
    then
      headers[#headers + 1] = { "Content-Length", tostring(#chunks) }
    end
    chunks = chunks == "" and {} or { chunks }
  end

  local cut_off = given.failure == "cut_off"
  return {
    status = status,
    headers = headers,
    chunks = cut_off and cut(chunks) or chunks,
    -- nginx sends what it gets while it waits for the rest of the body.
    flush = has_chunks and "unchanged" or nil,
    cut_off = cut_off,
    failure = failure,
  }
end


return _M
