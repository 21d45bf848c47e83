--- The native part of the test kit: the server in memory, and a reader of JSON.

return require("kong.response.native").load("kong.response.testing.native")
