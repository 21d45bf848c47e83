#!/usr/bin/env bash
# server.sh SUITE ARCHITECTURE: unpacks the nginx, lua-nginx-module and LuaJIT of a Debian suite in
# build/servers, and prints the folder. FOLDER/nginx and FOLDER/luajit start them with their own libraries.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=$1 architecture=$2
folder=$PWD/build/servers/$suite-$architecture

# From trixie on, Debian's `luajit` is the fork of OpenResty.
luajit=luajit
[ "$suite" != bookworm ] || luajit=luajit2
ci/debian.sh "$folder" "$suite" "$architecture" \
  nginx libnginx-mod-http-lua lua-resty-core lua-cjson lua-busted lua-zlib "$luajit" >&2

ci/launchers.sh "$folder" "$architecture"
echo "$folder"
