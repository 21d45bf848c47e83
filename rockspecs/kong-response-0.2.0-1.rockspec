rockspec_format = "3.0"
package = "kong-response"
version = "0.2.0-1"

-- There is no public place to download it from: `make dist` makes this file, and `luarocks build` looks
-- for it in the folder that it is called in.
source = {
  url = "file://kong-response-0.2.0-src.tar.gz",
  dir = "kong-response-0.2.0",
}

description = {
  summary = "The client-response module of Kong Gateway's plugin API, for nginx, OpenResty and LuaJIT",
  detailed = [[
    kong.response as a native library: status, headers, body, exit and error for plugins that run in
    OpenResty, in nginx with lua-nginx-module, in a Kong gateway, and in tests without a server.
    Building it needs make, cargo with Rust 1.88 or later, and a C compiler to link with.
  ]],
  license = "Apache-2.0",
  labels = { "openresty", "nginx", "kong", "http" },
}

supported_platforms = { "linux" }

-- LuaJIT, OpenResty's own; LuaRocks counts it as Lua 5.1.
dependencies = {
  "lua >= 5.1, < 5.2",
}

build = {
  type = "command",
  build_command = "make build",
  install_command = [[make install QUIET=1 DESTDIR= LUA_LIB_DIR="$(LUADIR)" LUA_CLIB_DIR="$(LIBDIR)"]],
  copy_directories = { "types" },
}
