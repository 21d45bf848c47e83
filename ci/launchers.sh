#!/usr/bin/env bash
# launchers.sh FOLDER ARCHITECTURE: writes FOLDER/nginx and FOLDER/luajit. They start the programs of the Debian
# packages that are unpacked in FOLDER, with the libraries in FOLDER.
set -euo pipefail

folder=$1 architecture=$2

libraries=$(cd "$folder" && find usr/lib -maxdepth 1 -name '*-linux-gnu')
loader=$(cd "$folder" && find usr/lib "$libraries" usr/lib64 -maxdepth 1 -name 'ld-linux-*' -print -quit)
case $architecture in
  "$(dpkg --print-architecture)") run="$folder/$loader --library-path $folder/$libraries" ;;
  arm64) run="qemu-aarch64-static -L $folder" ;;
  *) echo "launchers.sh: this machine cannot run programs for $architecture" >&2; exit 1 ;;
esac
# LuaJIT finds its own Lua files (`jit.vmdef`) only in the folders of an installed package.
jit=$(cd "$folder" && find usr/share -maxdepth 1 -name 'luajit-*' -print -quit)
paths="export LUA_PATH='$folder/usr/share/lua/5.1/?.lua;$folder/usr/share/lua/5.1/?/init.lua;$folder/$jit/?.lua'
export LUA_CPATH='$folder/$libraries/lua/5.1/?.so'"

# The module searches /usr/share/lua before LUA_PATH. That folder has the files of the machine, not of FOLDER.
module=$(find "$folder/usr/lib" -name ngx_http_lua_module.so)
LC_ALL=C sed -i 's|/usr/share/lua/5.1/?.lua;|/nil/share/lua/5.1/?.lua;|g' "$module"

# `nginx -V` names the folder of modules of an installed package, not the one in FOLDER.
cat > "$folder/nginx" << END
#!/bin/sh
$paths
if [ "\$*" = -V ]; then
  exec 3>&1
  $run $folder/usr/sbin/nginx -V 2>&1 >&3 | sed 's|--modules-path=/|--modules-path=$folder/|' >&2
  exit
fi
exec $run $folder/usr/sbin/nginx "\$@"
END
# The caller's paths come first.
cat > "$folder/luajit" << END
#!/bin/sh
added=\${LUA_PATH:-} c_added=\${LUA_CPATH:-}
$paths
export LUA_PATH="\$added;\$LUA_PATH" LUA_CPATH="\$c_added;\$LUA_CPATH"
exec $run $(find "$folder/usr/bin" -name 'luajit*' -type f -print -quit) "\$@"
END
chmod 755 "$folder/nginx" "$folder/luajit"
