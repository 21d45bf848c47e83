std = "ngx_lua"
max_line_length = 100
globals = { "kong" }
-- Phase methods take (self, conf) whether they need both or not.
files["examples/**"] = { unused_args = false, self = false }
files["spec/**"] = { std = "ngx_lua+busted" }
files["examples/**/*_spec.lua"] = { std = "ngx_lua+busted" }
