-- Shows where each response comes from: to the client in a header, and in the access log.

local Audit = { PRIORITY = 10 }


function Audit:header_filter(conf)
  kong.response.set_header("X-Source", kong.response.get_source())
end


function Audit:log(conf)
  ngx.var.source = kong.response.get_source()
end


return Audit
