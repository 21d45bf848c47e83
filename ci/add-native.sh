#!/usr/bin/env bash
# add-native.sh FILE LUALIB NAME: copies a native file to LUALIB/NAME-VERSION-CHECKSUM.so, removes the earlier file, and
# writes VERSION-CHECKSUM into NAME.version. lua/kong/response/native.lua reads NAME.version.
set -euo pipefail

file=$1
target=$2/$3
build=$("$(dirname "$0")/version.sh")-$(sha256sum "$file" | cut -c 1-12)

install -D -m 755 "$file" "$target-$build.so.new"
mv "$target-$build.so.new" "$target-$build.so"
echo "$build" > "$target.version.new"
mv "$target.version.new" "$target.version"
find "$(dirname "$target")" -maxdepth 1 -name "${target##*/}-*.so" ! -name "${target##*/}-$build.so" -delete
