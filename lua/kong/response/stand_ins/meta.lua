--- `kong.meta`: the version of the gateway whose interface plugins get.

local version = require("kong.response.pdk.version").of()


return {
  version = version,
  _VERSION = version,
  _NAME = "kong",
  _SERVER_TOKENS = "kong/" .. version,
}
