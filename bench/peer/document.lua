--- The error documents, and the escaping of messages in them.

local byte = string.byte
local find = string.find
local fmt = string.format
local gsub = string.gsub
local lower = string.lower
local match = string.match
local sub = string.sub
local concat = table.concat


local JSON, HTML, PLAIN, XML = 1, 2, 3, 4

local REPLACEMENT = "\239\191\189"

local JSON_ESCAPES = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\t"] = "\\t", ["\n"] = "\\n",
  ["\f"] = "\\f", ["\r"] = "\\r",
}
for code = 0, 0x1f do
  local char = string.char(code)
  JSON_ESCAPES[char] = JSON_ESCAPES[char] or fmt("\\u%04x", code)
end
JSON_ESCAPES["\127"] = "\\u007f"

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }


-- Returns the length of the UTF-8 character at `i`, or nil.
local function character(text, i)
  local a, b, c, d = byte(text, i, i + 3)
  local function tail(x)
    return x and x >= 0x80 and x <= 0xbf
  end
  if a < 0x80 then
    return 1
  elseif a >= 0xc2 and a <= 0xdf then
    return tail(b) and 2
  elseif a >= 0xe0 and a <= 0xef then
    local ok = tail(b) and tail(c) and (a ~= 0xe0 or b >= 0xa0) and (a ~= 0xed or b <= 0x9f)
    return ok and 3
  elseif a >= 0xf0 and a <= 0xf4 then
    return tail(b) and tail(c) and tail(d) and (a ~= 0xf0 or b >= 0x90)
           and (a ~= 0xf4 or b <= 0x8f) and 4
  end
end


-- Replaces bytes that are not UTF-8. Call it only for a text with bytes above ASCII.
local function valid(text)
  local parts, i = {}, 1
  while i <= #text do
    local length = character(text, i)
    parts[#parts + 1] = length and sub(text, i, i + length - 1) or REPLACEMENT
    i = i + (length or 1)
  end
  return concat(parts)
end


local function json(text)
  if find(text, '[%c"\\\127]') then
    text = gsub(text, '[%c"\\\127]', JSON_ESCAPES)
  end
  if find(text, "[\128-\255]") then
    text = valid(text)
  end
  return text
end


local function markup(text)
  if find(text, "[&<>]") then
    text = gsub(text, "[&<>]", ENTITIES)
  end
  if find(text, "[%z\1-\8\11\12\14-\31]") then
    text = gsub(text, "[%z\1-\8\11\12\14-\31]", REPLACEMENT)
  end
  if find(text, "[\128-\255]") then
    -- XML forbids these two characters of three bytes.
    text = gsub(valid(text), "\239\191[\190\191]", REPLACEMENT)
  end
  return text
end


local _M = {}

_M.TYPES = {
  "application/json; charset=utf-8",
  "text/html; charset=utf-8",
  "text/plain; charset=utf-8",
  "application/xml; charset=utf-8",
}


--- Returns the document for a Content-Type of the caller.
function _M.of_type(content_type)
  local media = lower(match(content_type, "^%s*([^%s;]*)"))
  if media == "application/json" or match(media, "%+json$") then
    return JSON
  elseif media == "text/html" then
    return HTML
  elseif media == "application/xml" or media == "text/xml" or match(media, "%+xml$") then
    return XML
  end
  return PLAIN
end


function _M.write(document, message, id)
  if document == JSON then
    return '{\n  "message":"' .. json(message) .. '",\n  "request_id":"' .. json(id) .. '"\n}'
  elseif document == HTML then
    return '<!doctype html>\n<html>\n  <head>\n    <meta charset="utf-8">\n'
           .. "    <title>Error</title>\n  </head>\n  <body>\n    <h1>Error</h1>\n    <p>"
           .. markup(message) .. ".</p>\n    <p>request_id: " .. markup(id)
           .. "</p>\n  </body>\n</html>\n"
  elseif document == XML then
    return '<?xml version="1.0" encoding="UTF-8"?>\n<error>\n  <message>' .. markup(message)
           .. "</message>\n  <requestid>" .. markup(id) .. "</requestid>\n</error>\n"
  end
  return message .. "\nrequest_id: " .. id .. "\n"
end


local MESSAGES = {
  [400] = "Bad request", [401] = "Unauthorized", [402] = "Payment required", [403] = "Forbidden",
  [404] = "Not found", [405] = "Method not allowed", [406] = "Not acceptable",
  [407] = "Proxy authentication required", [408] = "Request timeout", [409] = "Conflict",
  [410] = "Gone", [411] = "Length required", [412] = "Precondition failed",
  [413] = "Payload too large", [414] = "URI too long", [415] = "Unsupported media type",
  [416] = "Range not satisfiable", [417] = "Expectation failed", [418] = "I'm a teapot",
  [421] = "Misdirected request", [422] = "Unprocessable entity", [423] = "Locked",
  [424] = "Failed dependency", [425] = "Too early", [426] = "Upgrade required",
  [428] = "Precondition required", [429] = "Too many requests",
  [431] = "Request header fields too large", [451] = "Unavailable for legal reasons",
  [494] = "Request header or cookie too large", [500] = "An unexpected error occurred",
  [501] = "Not implemented", [502] = "An invalid response was received from the upstream server",
  [503] = "The upstream server is currently unavailable",
  [504] = "The upstream server is timing out", [505] = "HTTP version not supported",
  [506] = "Variant also negotiates", [507] = "Insufficient storage", [508] = "Loop detected",
  [510] = "Not extended", [511] = "Network authentication required",
}


function _M.default_message(status)
  return MESSAGES[status] or fmt("The upstream server responded with %d", status)
end


return _M
