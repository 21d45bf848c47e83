--- `kong.meta`: the version that plugins are told.

local version = require("kong.response.pdk.version").of()


return {
  version = version,
  _VERSION = version,
  _NAME = "kong",
  _SERVER_TOKENS = "kong/" .. version,
}
