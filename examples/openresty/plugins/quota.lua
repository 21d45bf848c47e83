-- Refuses clients that ask for too much. It fails if a client does not send a number.

local Quota = { PRIORITY = 900 }


function Quota:access(conf)
  local wanted = ngx.req.get_headers()["x-wanted"]
  if wanted and tonumber(wanted) > conf.most then
    return kong.response.error(429, wanted .. " are too many for " .. kong.ctx.shared.consumer)
  end
end


return Quota
