--- Warns if the configuration of nginx does not call a function of the life cycle. Without
-- `lifecycle.access()`, for example, no plugin checks the requests.

local fmt = string.format
local ipairs = ipairs
local next = next
local tonumber = tonumber


local NEVER_CALLED = "lifecycle.%s() was never called in this worker, so %s: add %s_by_lua_block "
                     .. "{ lifecycle.%s() }"

local _M = {}


-- Returns what happens without a function, or nil.
local function consequence(lists, phase)
  local entry = lists[phase][1]
  if entry then
    return fmt("the %s handler of plugin \"%s\" does not run", phase, entry.name)
  elseif phase == "body_filter" and lists.header_filter[1] then
    return "the response of an exit in header_filter has the upstream's body"
  end
  return nil
end


--- Makes the checks of a life cycle.
-- @tparam table lists the entries by phase
-- @treturn function `called(phase)`: is called by the life cycle's function for that phase, before
--   `check`
-- @treturn function `check(phase)`: logs the warnings that the request in that phase shows
function _M.new(lists)
  -- What happens without each function that was not called yet.
  local missing = {}
  for _, phase in ipairs { "rewrite", "access", "header_filter", "body_filter" } do
    missing[phase] = consequence(lists, phase)
  end


  local function called(phase)
    missing[phase] = nil
  end


  local function warn(phase)
    if missing[phase] then
      ngx.log(ngx.WARN, fmt(NEVER_CALLED, phase, missing[phase], phase, phase))
      missing[phase] = nil
    end
  end


  -- Without an upstream, the request may have ended before the phase, for example with `return`.
  local function check(phase)
    if next(missing) == nil then
      return
    elseif phase == "access" then
      return warn "rewrite"
    end
    local var = ngx.var
    if ngx.is_subrequest or not var.upstream_status then
      return
    end
    warn "rewrite"
    warn "access"
    if phase == "log" then
      warn "header_filter"
      if tonumber(var.body_bytes_sent) > 0 and var.request_method ~= "HEAD" then
        warn "body_filter"
      end
    end
  end


  return called, check
end


return _M
