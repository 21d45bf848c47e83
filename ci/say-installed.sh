#!/bin/sh
# Says where `make install` has put the library: DESTDIR, the Lua files, the native part.
set -eu

if [ "$2" = "$3" ]; then
  echo "kong.response is in $1$2. For nginx:"
else
  echo "kong.response is in $1$2, its native part in $1$3. For nginx:"
fi
echo "  lua_package_path  \"$2/?.lua;;\";"
echo "  lua_package_cpath \"$3/?.so;;\";"
