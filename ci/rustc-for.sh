#!/usr/bin/env bash
# rustc-for.sh TARGET: prints the path of a rustc with the standard library of the target. If `rustup target add` works,
# this is the installed rustc. Otherwise the script unpacks Debian's rustc in build/rust.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$1
SUITE=forky

has_library() {
  ls "$("$1" --print sysroot)/lib/rustlib/$target/lib/"libstd-*.rlib > /dev/null 2>&1
}
installed=$(command -v rustc)
if has_library "$installed" || { rustup target add "$target" > /dev/null 2>&1 && has_library "$installed"; }; then
  echo "$installed"
  exit
fi

case $target in
  aarch64-unknown-linux-gnu) architecture=arm64 ;;
  *) echo "rustc-for.sh: neither rustup nor Debian has a standard library for $target" >&2; exit 1 ;;
esac
folder=$PWD/build/rust/compiler
ci/debian.sh "$folder" $SUITE amd64 rustc cargo rust-src >&2
ci/debian.sh --alone build/rust/$architecture $SUITE $architecture libstd-rust-dev >&2
cp -rn "build/rust/$architecture/usr/lib/rustlib/$target" "$folder/usr/lib/rustlib/"
# Programs of a newer suite need the C library of that suite.
run="$folder/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 --library-path $folder/usr/lib/x86_64-linux-gnu"
printf '#!/bin/sh\nexec %s --argv0 %s %s --sysroot %s "$@"\n' \
  "$run" "$folder/usr/bin/rustc" "$folder/usr/bin/rustc" "$folder/usr" > build/rust/rustc
chmod 755 build/rust/rustc
has_library "$PWD/build/rust/rustc"
echo "$PWD/build/rust/rustc"
