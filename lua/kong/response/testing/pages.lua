--- What nginx says about statuses: its reasons, and the pages it has of its own.

local fmt = string.format


local REASONS = {
  [200] = "OK",
  [201] = "Created",
  [202] = "Accepted",
  [204] = "No Content",
  [206] = "Partial Content",
  [301] = "Moved Permanently",
  [302] = "Moved Temporarily",
  [303] = "See Other",
  [304] = "Not Modified",
  [307] = "Temporary Redirect",
  [308] = "Permanent Redirect",
  [400] = "Bad Request",
  [401] = "Unauthorized",
  [402] = "Payment Required",
  [403] = "Forbidden",
  [404] = "Not Found",
  [405] = "Not Allowed",
  [406] = "Not Acceptable",
  [408] = "Request Time-out",
  [409] = "Conflict",
  [410] = "Gone",
  [411] = "Length Required",
  [412] = "Precondition Failed",
  [413] = "Request Entity Too Large",
  [414] = "Request-URI Too Large",
  [415] = "Unsupported Media Type",
  [416] = "Requested Range Not Satisfiable",
  [421] = "Misdirected Request",
  [429] = "Too Many Requests",
  [500] = "Internal Server Error",
  [501] = "Not Implemented",
  [502] = "Bad Gateway",
  [503] = "Service Temporarily Unavailable",
  [504] = "Gateway Time-out",
  [505] = "HTTP Version Not Supported",
  [507] = "Insufficient Storage",
}

-- Where the title of a page is another than the reason.
local TITLES = {
  [302] = "Found",
  [401] = "Authorization Required",
}

local CLOSE_CONNECTION = { [400] = true, [413] = true, [414] = true, [500] = true, [501] = true }

local PAGE = "<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n"
  .. "<center><h1>%d %s</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"


local _M = {}


--- The reason in nginx's status line; empty where it knows none.
function _M.reason(status)
  return REASONS[status] or ""
end


--- Whether nginx closes the connection behind its page.
function _M.closes(status)
  return CLOSE_CONNECTION[status] or false
end


--- nginx's page for a status, nil where it has none.
function _M.page(status)
  local title = status >= 300 and status ~= 304 and (TITLES[status] or REASONS[status])
  return title and fmt(PAGE, status, title, status, title) or nil
end


--- Prepares the head for nginx's page.
-- @return the page, nil where it has none
function _M.prepare(host, status)
  local page = _M.page(status)
  for _, name in ipairs { "Accept-Ranges", "Last-Modified", "ETag" } do
    host:set_header(name, nil)
  end
  host:set_header("Content-Length", status ~= 204 and tostring(page and #page or 0) or nil)
  if page then
    host:set_header("Content-Type", "text/html")
  end
  return page
end


return _M
