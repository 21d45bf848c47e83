--- `kong.ctx`: tables that live as long as a request.

local error = error
local pcall = pcall
local rawget = rawget
local setmetatable = setmetatable


-- The keys of the tables in `ngx.ctx`. They are tables, so they never equal a name that a plugin
-- uses.
local SHARED, OWN = {}, {}


--- Makes `kong.ctx`. `shared` is one table per request. `plugin` is one table per request and
-- plugin, for the plugin whose handler runs (`ngx.ctx.KONG_NAMESPACES.plugin`); it is nil outside
-- of handlers.
-- @tparam table pdk `find_ctx`
-- @treturn table
return function(pdk)
  local find_ctx = pdk.find_ctx

  local function read(_, name)
    local ok, ctx = pcall(find_ctx)
    if not ok or not ctx then
      return nil
    end

    if name == "shared" then
      local shared = rawget(ctx, SHARED)
      if not shared then
        shared = {}
        ctx[SHARED] = shared
      end
      return shared

    elseif name == "plugin" then
      local namespaces = ctx.KONG_NAMESPACES
      local running = namespaces and namespaces.plugin
      if not running then
        return nil
      end
      local tables = rawget(ctx, OWN)
      if not tables then
        tables = {}
        ctx[OWN] = tables
      end
      local own = tables[running]
      if not own then
        own = {}
        tables[running] = own
      end
      return own
    end
  end

  return setmetatable({}, {
    __index = read,
    __newindex = function()
      error("kong.ctx cannot be changed, only kong.ctx.shared and kong.ctx.plugin", 2)
    end,
  })
end
