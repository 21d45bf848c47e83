#!/usr/bin/env bash
# new-plugin.sh NAME DIR LUA_LIB_DIR LUA_CLIB_DIR: copies the folder for a plugin, with its name. Called by
# `make new-plugin`.
set -euo pipefail

template=$(cd "$(dirname "$0")/../template" && pwd)
name=${1:-} dir=${2:-} lua_dir=$3 clib_dir=$4

refuse() {
  echo "make new-plugin: $*" >&2
  exit 2
}

[[ $name =~ ^[a-z][a-z0-9_-]*$ ]] ||
  refuse "give a name of lower-case letters, digits, dashes and underscores, and a folder: make new-plugin NAME=my-plugin DIR=../my-plugin"
[ -n "$dir" ] || refuse "give a folder that does not exist: DIR=../$name"
[ ! -e "$dir" ] || [ -z "$(ls -A "$dir")" ] || refuse "$dir is not empty"

mkdir -p "$dir"
cp -R "$template/." "$dir"
for folder in "$dir"/kong/plugins "$dir"/spec; do
  [ "$name" = my-plugin ] || mv "$folder/my-plugin" "$folder/$name"
done
find "$dir" -type f -exec sed -i "s/my-plugin/$name/g" {} +
sed -i -e "s|^\( *lpath = .*\)/usr/local/share/lua/5.1|\1$lua_dir|" \
  -e "s|^\( *cpath = .*\)/usr/local/share/lua/5.1|\1$clib_dir|" "$dir/.busted"
# The workflow installs the library where .busted finds it.
folders=$lua_dir
[ "$clib_dir" = "$lua_dir" ] || folders="$lua_dir $clib_dir"
sed -i "s|install\.sh /usr/local/share/lua/5.1$|install.sh $folders|" "$dir/.github/workflows/test.yml"

# missing WHAT COMMAND
missing() {
  echo "The tests need $1, which is not installed. Install it:"
  echo
  echo "  $2"
  echo
}

echo "$dir has the plugin $name and its tests."
if [ ! -e "$lua_dir/kong/response/testing.lua" ]; then
  where=""
  [ "$lua_dir" = /usr/local/share/lua/5.1 ] || where=" LUA_LIB_DIR=$lua_dir"
  [ "$clib_dir" = "$lua_dir" ] || where="$where LUA_CLIB_DIR=$clib_dir"
  missing "the library in $lua_dir" "make install$where"
  echo "If the library is in another folder, write that folder into $dir/.busted."
  echo "For the next plugin, name it: make new-plugin LUA_LIB_DIR=..."
  echo
fi
[ -x /usr/bin/luajit ] || missing "LuaJIT in /usr/bin/luajit" "apt install luajit2"
[ -n "$(command -v busted)" ] || missing busted "apt install lua-busted"
echo "Run the tests:"
echo
echo "  cd $dir && busted"
