#!/usr/bin/env bash
# nginx-modules.sh NGINX: prints the `load_module` lines that a configuration needs for Lua. Debian has the Lua module in
# a package of its own; OpenResty has it built in and needs no line.
set -euo pipefail

modules=$("$1" -V 2>&1 | sed -n 's/.*--modules-path=\([^ ]*\).*/\1/p')
for module in ndk_http_module ngx_http_lua_module; do
  [ ! -f "$modules/$module.so" ] || printf 'load_module %s; ' "$modules/$module.so"
done
