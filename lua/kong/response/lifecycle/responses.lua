--- Where responses come from, and the 500 that takes the place of one.

local failures = require "kong.response.failures"


local pairs = pairs
local pcall = pcall


-- Answers that nginx keeps of a service which it does not ask again.
local FROM_CACHE = { HIT = true, STALE = true, UPDATING = true, REVALIDATED = true }


local _M = {}


--- Whether the upstream has answered; nil if it was not asked.
function _M.upstream_answered()
  local var = ngx.var
  if FROM_CACHE[var.upstream_cache_status] then
    return true
  end

  -- A time for each attempt, `-` for one that got no answer; ` : ` stands between what was asked
  -- before an internal redirect and after it.
  local times = var.upstream_header_time
  if not times then
    return nil
  end
  local is_error_page = ngx.status >= 500 and times:find("- :", 1, true) ~= nil
  return times:find("%d$") ~= nil and not is_error_page
end


--- Says where the response comes from, unless something has said so before.
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


--- Whether the upstream has accepted an upgrade. nginx opens the tunnel behind the header filter,
-- whatever the response has become.
local function switches_protocols()
  local statuses = ngx.var.upstream_status
  return statuses and statuses:find("101$") ~= nil
end


--- Replaces the response by the page of an unexpected error, in the client's format. The log gets
-- that error with the id of the page.
function _M.send_unexpected(kong, ctx, failure, what)
  ctx.KONG_UNEXPECTED = true
  local id = failures.request_id(kong, ctx, true)
  failures.log(failure, what, id)
  if switches_protocols() then
    return ngx.exit(ngx.ERROR)
  end
  local ok, err = pcall(kong.response.error, 500)
  if not ok then
    -- Too late for a page: the client must see that something is missing.
    failures.log(failures.new(err), "the page of an unexpected error cannot be sent", id)
    return ngx.exit(ngx.ERROR)
  end
end


--- Removes the headers that the upstream and the plugins have put into the head of a response.
-- @tparam table ngx nginx's, or the test kit's
function _M.clear_headers(ngx)
  for name in pairs(ngx.resp.get_headers(0)) do
    -- nginx makes these two.
    if name ~= "connection" and name ~= "transfer-encoding" then
      ngx.header[name] = nil
    end
  end
end


return _M
