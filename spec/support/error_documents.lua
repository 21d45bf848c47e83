--- The documents of `error` that a client gets. The header Request-Id has their request id.

local assert = require "luassert"


local JSON = "application/json; charset=utf-8"
local HTML = "text/html; charset=utf-8"
local XML = "application/xml; charset=utf-8"
local PLAIN = "text/plain; charset=utf-8"

local DOCUMENTS = {
  [JSON] = '{\n  "message":"%s",\n  "request_id":"%s"\n}',
  [HTML] = '<!doctype html>\n<html>\n  <head>\n    <meta charset="utf-8">\n'
    .. "    <title>Error</title>\n  </head>\n  <body>\n    <h1>Error</h1>\n    <p>%s.</p>\n"
    .. "    <p>request_id: %s</p>\n  </body>\n</html>\n",
  [XML] = '<?xml version="1.0" encoding="UTF-8"?>\n<error>\n  <message>%s</message>\n'
    .. "  <requestid>%s</requestid>\n</error>\n",
  [PLAIN] = "%s\nrequest_id: %s\n",
}

local MESSAGES = {
  [400] = "Bad request",
  [401] = "Unauthorized",
  [402] = "Payment required",
  [403] = "Forbidden",
  [404] = "Not found",
  [405] = "Method not allowed",
  [406] = "Not acceptable",
  [407] = "Proxy authentication required",
  [408] = "Request timeout",
  [409] = "Conflict",
  [410] = "Gone",
  [411] = "Length required",
  [412] = "Precondition failed",
  [413] = "Payload too large",
  [414] = "URI too long",
  [415] = "Unsupported media type",
  [416] = "Range not satisfiable",
  [417] = "Expectation failed",
  [418] = "I'm a teapot",
  [421] = "Misdirected request",
  [422] = "Unprocessable entity",
  [423] = "Locked",
  [424] = "Failed dependency",
  [425] = "Too early",
  [426] = "Upgrade required",
  [428] = "Precondition required",
  [429] = "Too many requests",
  [431] = "Request header fields too large",
  [451] = "Unavailable for legal reasons",
  [494] = "Request header or cookie too large",
  [500] = "An unexpected error occurred",
  [501] = "Not implemented",
  [502] = "An invalid response was received from the upstream server",
  [503] = "The upstream server is currently unavailable",
  [504] = "The upstream server is timing out",
  [505] = "HTTP version not supported",
  [506] = "Variant also negotiates",
  [507] = "Insufficient storage",
  [508] = "Loop detected",
  [510] = "Not extended",
  [511] = "Network authentication required",
}


local _M = {
  JSON = JSON,
  HTML = HTML,
  XML = XML,
  PLAIN = PLAIN,
  MESSAGES = MESSAGES,
}


--- Returns the document for a message that needs no escapes.
function _M.document(kind, message, r)
  return (DOCUMENTS[kind]:format(message, r:header("Request-Id")))
end


--- Checks that a response is the document.
function _M.check(kind, status, message, r)
  assert.equal(status, r.status)
  assert.equal(_M.document(kind, message, r), r.body)
  assert.same({ kind }, r:values("Content-Type"))
  assert.same({ tostring(#r.body) }, r:values("Content-Length"))
end


--- Returns the text of the message in a document of this kind.
function _M.shown(kind, r)
  local before, after = DOCUMENTS[kind]:match("^(.-)%%s(.-)%%s")
  local tail = DOCUMENTS[kind]:match("%%s.-%%s(.*)$")
  local stop = #r.body - #(after .. r:header("Request-Id") .. tail)
  assert.equal(before, r.body:sub(1, #before))
  assert.equal(after .. r:header("Request-Id") .. tail, r.body:sub(stop + 1))
  return r.body:sub(#before + 1, stop)
end


return _M
