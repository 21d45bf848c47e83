std = "ngx_lua"
self = false
read_globals = { "kong" }
files["spec"] = { std = "+busted" }
