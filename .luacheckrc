std = "ngx_lua"
max_line_length = 100
globals = { "kong" }
-- Phase methods take (self, conf) whether they need both or not.
files["examples/**"] = { unused_args = false, self = false }
files["spec/**"] = { std = "ngx_lua+busted" }
files["examples/**/*_spec.lua"] = { std = "ngx_lua+busted" }
-- Descriptions, which nothing runs; a field has to be on one line.
files["types/**"] = { unused = false, unused_args = false, max_line_length = 120 }
files["spec/types/**"] = { ignore = { "111", "112" } }
files["spec/plugins/**"] = { std = "ngx_lua+busted", unused_args = false, self = false }
-- They ask for what is not there.
files["spec/kit/hints_spec.lua"] = { ignore = { "143" } }
files["spec/kit/fixtures/aliases.lua"] = { ignore = { "143" } }
