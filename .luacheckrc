std = "ngx_lua"
max_line_length = 100
globals = { "kong" }
-- Phase methods have the parameters (self, conf), even if they do not use both.
files["examples/**"] = { unused_args = false, self = false }
files["spec/**"] = { std = "ngx_lua+busted" }
files["examples/**/*_spec.lua"] = { std = "ngx_lua+busted" }
-- Type definitions: nothing runs them, and a field must be on one line.
files["types/**"] = { unused = false, unused_args = false, max_line_length = 120 }
files["spec/types/**"] = { ignore = { "111", "112" } }
files["spec/plugins/**"] = { std = "ngx_lua+busted", unused_args = false, self = false }
-- These files use missing fields on purpose.
files["spec/kit/hints_spec.lua"] = { ignore = { "143" } }
files["spec/kit/fixtures/aliases.lua"] = { ignore = { "143" } }
