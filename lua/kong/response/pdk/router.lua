--- `kong.router`: the route and the service of a request.

local phases = require "kong.response.pdk.phases"

local ROUTED = phases.ROUTED


--- Makes `kong.router`.
return function(pdk)
  local ngx, check = pdk.ngx, pdk.check

  local router = {}


  function router.get_route()
    check(ROUTED)
    return ngx.ctx.route
  end


  function router.get_service()
    check(ROUTED)
    return ngx.ctx.service
  end


  return router
end
