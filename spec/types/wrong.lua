-- `make types` warns of each line that names a warning, and of no other.

local instance = require "kong.response.instance"
local response = require "kong.response"
local testing = require "kong.response.testing"


response.exit("403") -- param-type-mismatch
response.exit(403, true) -- param-type-mismatch
response.error() -- missing-parameter
response.error(403, "no", "X-Foo: 1") -- param-type-mismatch
response.set_status("404") -- param-type-mismatch
response.set_header("X-Foo") -- missing-parameter
response.set_header("X-Foo", print) -- param-type-mismatch
response.set_headers("X-Foo") -- param-type-mismatch
response.set_raw_body(nil) -- param-type-mismatch
response.redirect("/") -- undefined-field
response.get_header("X-Foo"):lower() -- need-check-nil
instance.new { request_id = "4711" } -- param-type-mismatch
testing.run { plugin = {}, upstream = { failure = "slow" } } -- assign-type-mismatch
