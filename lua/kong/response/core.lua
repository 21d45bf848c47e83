--- The native part of the library.

return require("kong.response.native").load("kong.response.core")
