--- The source of a response, and the 500 that replaces a response.

local failures = require "kong.response.failures"


local pairs = pairs
local pcall = pcall


-- The values of `$upstream_cache_status` with which nginx answers from its cache.
local FROM_CACHE = { HIT = true, STALE = true, UPDATING = true, REVALIDATED = true }


local _M = {}


--- Whether the upstream has answered; nil if nginx has not asked it.
function _M.upstream_answered()
  local var = ngx.var
  if FROM_CACHE[var.upstream_cache_status] then
    return true
  end

  -- The variable has a time for each attempt, or `-` for an attempt without an answer. ` : `
  -- separates the attempts before an internal redirect from those after it.
  local times = var.upstream_header_time
  if not times then
    return nil
  end
  local is_error_page = ngx.status >= 500 and times:find("- :", 1, true) ~= nil
  return times:find("%d$") ~= nil and not is_error_page
end


--- Sets the source of the response in `ctx`, unless it is set.
function _M.tell_source(ctx)
  if ctx.KONG_UNEXPECTED or ctx.KONG_EXITED or ctx.KONG_PROXIED then
    return
  end
  local answered = _M.upstream_answered()
  if answered then
    ctx.KONG_PROXIED = true
  elseif answered == false then
    ctx.KONG_UNEXPECTED = true
  end
end


--- Whether the upstream has accepted an upgrade. After the header filter, nginx then opens the
-- tunnel, even if the response was replaced.
local function switches_protocols()
  local statuses = ngx.var.upstream_status
  return statuses and statuses:find("101$") ~= nil
end


--- Logs an unexpected error, and replaces the response with an error page in the client's format.
-- The log and the page have the same request id.
function _M.send_unexpected(kong, ctx, failure, what)
  ctx.KONG_UNEXPECTED = true
  local id = failures.request_id(kong, ctx, true)
  failures.log(failure, what, id)
  if switches_protocols() then
    return ngx.exit(ngx.ERROR)
  end
  local ok, err = pcall(kong.response.error, 500)
  if not ok then
    -- It is too late for a page. Break off, so that the client sees that the response is
    -- incomplete.
    failures.log(failures.new(err), "the page of an unexpected error cannot be sent", id)
    return ngx.exit(ngx.ERROR)
  end
end


--- Removes the headers of the response that the upstream and the plugins have set.
-- @tparam table ngx nginx's or the test kit's
function _M.clear_headers(ngx)
  for name in pairs(ngx.resp.get_headers(0)) do
    -- nginx adds these two itself.
    if name ~= "connection" and name ~= "transfer-encoding" then
      ngx.header[name] = nil
    end
  end
end


return _M
