std = "ngx_lua"
self = false
read_globals = {
  -- Plugins keep their state in kong.ctx.
  kong = { other_fields = true, fields = { ctx = { read_only = false, other_fields = true } } },
}
files["spec"] = { std = "+busted" }
