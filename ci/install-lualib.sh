#!/bin/sh
# Installs or removes the library, even while nginx runs.
#
#     install.sh LUA_FOLDER [NATIVE_FOLDER]
#     install.sh --uninstall LUA_FOLDER [NATIVE_FOLDER]
#
# nginx crashes when something writes into a file that it has mapped. So this copies each file to a temporary folder next
# to its target and renames it: workers keep the old file. It also removes files of earlier versions.
set -eu
umask 022

list=kong/response/installed.txt # the list of installed files, for the next version and for --uninstall

action=install
if [ "${1:-}" = --uninstall ]; then
  action=uninstall
  shift
fi
if [ $# -lt 1 ] || [ $# -gt 2 ]; then
  sed -n 's/^# \{5\}/usage: /p' "$0" >&2
  exit 2
fi
# `make` builds the files in another folder.
from=${LUALIB:-$(dirname "$0")/lualib}
lua=${DESTDIR:-}$1
native=${DESTDIR:-}${2:-$1}

files=$(cd "$from" && find . -type f | sed 's|^\./||' | LC_ALL=C sort)
# Version 0.1.0 has no list. These are its files that later versions do not have.
former=$(cat "$lua/$list" 2> /dev/null || true; echo kong/response/core.so kong/response/shortcuts.lua)

# remove FILE...: removes files from both folders.
remove() {
  for folder in "$lua" "$native"; do
    [ ! -d "$folder" ] || (cd "$folder" && rm -f "$@")
  done
}

if [ $action = uninstall ]; then
  all=$(printf '%s\n' "$files" "$former" "$list" | LC_ALL=C sort -u)
  remove $all
  for folder in $(echo "$all" | sed -n 's|/[^/]*$||p' | LC_ALL=C sort -r -u); do
    rmdir "$lua/$folder" "$native/$folder" 2> /dev/null || true
  done
  exit 0
fi

stage=.kong-response.$$
trap 'rm -rf "$lua/$stage" "$native/$stage"' EXIT
trap 'exit 1' HUP INT TERM

# locate FILE: sets `to`, the folder that the file goes to.
locate() {
  case $1 in
    *.so | *.version) to=$native ;;
    *) to=$lua ;;
  esac
}

changed=
for file in $files; do
  locate "$file"
  if [ ! -e "$to/$file" ] || ! cmp -s "$from/$file" "$to/$file"; then
    for folder in "$to/$stage/${file%/*}" "$to/${file%/*}"; do
      [ -d "$folder" ] || mkdir -p "$folder"
    done
    cp "$from/$file" "$to/$stage/$file"
    changed="$changed $file"
  fi
done
for folder in "$lua/$stage" "$native/$stage"; do
  [ ! -d "$folder" ] || find "$folder" -type f -exec chmod 644 {} +
done
if [ -z "${QUIET:-}" ]; then
  mkdir -p "$lua/$stage"
  echo "$files" > "$lua/$stage/list"
fi

# Native files first and `.version` files last: Lua loads a native file only once a `.version` file names it.
for kind in so lua version; do
  for file in $changed; do
    case $file in
      *."$kind") locate "$file" && mv -f "$to/$stage/$file" "$to/$file" ;;
    esac
  done
done
[ -n "${QUIET:-}" ] || mv -f "$lua/$stage/list" "$lua/$list"
for file in $former; do
  [ -f "$from/$file" ] || remove "$file"
done

if [ -n "${QUIET:-}" ]; then
  exit 0
elif [ "$lua" = "$native" ]; then
  echo "kong.response is in $lua. For nginx:"
else
  echo "kong.response is in $lua, its native part in $native. For nginx:"
fi
echo "  lua_package_path  \"$1/?.lua;;\";"
echo "  lua_package_cpath \"${2:-$1}/?.so;;\";"
