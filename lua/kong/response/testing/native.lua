--- The native part of the test kit: the server in memory, and functions for the kit's `ngx`.

return require("kong.response.native").load("kong.response.testing.native")
