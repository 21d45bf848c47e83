#!/usr/bin/env bash
# nginx-modules.sh NGINX: the `load_module` lines that a configuration needs for Lua. Debian packages the
# Lua module apart, and what it needs; OpenResty has both built in.
set -euo pipefail

modules=$("$1" -V 2>&1 | sed -n 's/.*--modules-path=\([^ ]*\).*/\1/p')
for module in ndk_http_module ngx_http_lua_module; do
  [ ! -f "$modules/$module.so" ] || printf 'load_module %s; ' "$modules/$module.so"
done
