#!/usr/bin/env bash
# Builds the packages: the library for Linux on x86-64 and aarch64 with glibc 2.17 or later, and the source. Called by
# `make dist`.
set -euo pipefail
cd "$(dirname "$0")/.."

GLIBC=2.17
LIBGCC=4.8.0 # the version on systems with that glibc
OUT=build/dist

fail() {
  echo "make dist: $*" >&2
  exit 1
}

[ "$(uname -sm)" = "Linux x86_64" ] || fail "this command needs Linux on x86-64. On this system, use make build"

version=$(ci/version.sh)
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2> /dev/null || date +%s)
fi
export SOURCE_DATE_EPOCH

# Installs the tools, and installs them again if the requirements change.
tools=$PWD/$OUT/tools
if ! cmp -s ci/dist-requirements.txt "$tools/requirements.txt"; then
  rm -rf "$tools"
  mkdir -p "$OUT"
  # Debian's Python, because Debian's python3-venv works only with that one.
  python=/usr/bin/python3
  [ -x "$python" ] || python=python3
  "$python" -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --no-deps \
    --only-binary :all: --require-hashes -r ci/dist-requirements.txt
  cp ci/dist-requirements.txt "$tools/requirements.txt"
fi

# newest FILE NAME: prints the newest version of a library that a file needs.
# at_most NAME VERSION LIMIT: fails if this version is newer than the limit.
newest() {
  objdump -T "$1" | grep -o "$2_[0-9.]*" | sed "s/$2_//" | sort -V | tail -1
}
at_most() {
  [ "$(printf '%s\n%s\n' "$2" "$3" | sort -V | tail -1)" = "$3" ] || fail "the library needs $1 $2, but must work with $1 $3"
}

# build TARGET ARCHITECTURE PACKAGE
build() {
  local target=$1 architecture=$2 libgcc
  # Without libgcc_s, cargo-zigbuild links another unwinder into the library. LuaJIT raises errors through the
  # library's frames with the unwinder of the process, and a process with two unwinders crashes.
  libgcc=$OUT/libgcc-$architecture
  ci/debian.sh --alone "$libgcc" bookworm "$architecture" libgcc-s1
  local flags=(
    "-Clink-arg=$(find "$PWD/$libgcc/usr/lib" "$PWD/$libgcc/lib/" -name libgcc_s.so.1 -print -quit)"
    "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
    "--remap-path-prefix=$PWD=/kong-response"
  )
  PATH="$tools/bin:$PATH" \
  RUSTC=$(ci/rustc-for.sh "$target") \
  CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; echo "${flags[*]}") \
  CARGO_PROFILE_RELEASE_STRIP=symbols \
  CARGO_ZIGBUILD_CACHE_DIR=$PWD/$OUT/cache \
  ZIG_GLOBAL_CACHE_DIR=$PWD/$OUT/cache \
  ZIG_LOCAL_CACHE_DIR=$PWD/$OUT/cache \
  XDG_CACHE_HOME=$PWD/$OUT/cache \
  "${CARGO:-cargo}" zigbuild --release --locked --target "$target.$GLIBC" --package "$3"
}

# check FILE PAGE: checks which symbols a native file needs, and which it exports. PAGE is the largest page size of the
# processor. Linux loads only files whose segments are aligned to its page size.
check() {
  local others alignment
  at_most glibc "$(newest "$1" GLIBC)" "$GLIBC"
  at_most libgcc "$(newest "$1" GCC)" "$LIBGCC"
  objdump -p "$1" | grep -q 'NEEDED *libgcc_s\.so\.1$' || fail "the library does not need libgcc_s.so.1: it has its own unwinder"
  others=$(objdump -T "$1" | grep -v '\*UND\*' | awk 'NF >= 6 { print $NF }' \
    | grep -Ev '^(luaopen|kong_response)_' || true)
  [ -z "$others" ] || fail "the library exports symbols of other libraries: $others"
  alignment=$(readelf -lW "$1" | awk '$1 == "LOAD" { print $NF }' | sort -u)
  [ "$alignment" = "$2" ] || fail "the segments of the library are aligned to $alignment, not to $2"
}

# Makes the same tarball from the same files.
pack() {
  tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    --directory "$OUT" "$2" | gzip -n -9 > "$OUT/$1.tar.gz"
}

# package PROCESSOR ARCHITECTURE PAGE: the architecture is Debian's name for the processor; PAGE is as for check.
package() {
  local name=kong-response-$version-$1-linux-gnu target=$1-unknown-linux-gnu
  local stage=$OUT/$name built=${CARGO_TARGET_DIR:-target}/$1-unknown-linux-gnu/release
  build "$target" "$2" kong-response
  build "$target" "$2" kong-response-testing
  check "$built/libkong_response.so" "$3"
  check "$built/libkong_response_testing.so" "$3"

  rm -rf "$stage"
  mkdir -p "$stage/licenses"
  cp -r lua "$stage/lualib"
  cp -r types CHANGELOG.md LICENSE examples template "$stage/"
  sed -e "s/@VERSION@/$version/g" -e "s/@PROCESSOR@/$1/g" ci/package-readme.md > "$stage/README.md"
  cp -r build/docs "$stage/site"
  # The scripts need the rest of the source, and the site has the READMEs.
  rm -r "$stage/examples/serve.sh" "$stage"/examples/*/run.sh "$stage"/examples/*/README.md
  ci/add-native.sh "$built/libkong_response.so" "$stage/lualib" kong/response/core
  ci/add-native.sh "$built/libkong_response_testing.so" "$stage/lualib" kong/response/testing/native
  cp ci/install-lualib.sh "$stage/install.sh"
  python3 ci/licenses.py "$target" "$stage/licenses"
  (cd "$stage" && find . -type f ! -name SHA256SUMS | sed 's|^\./||' | LC_ALL=C sort \
    | xargs -d '\n' sha256sum > SHA256SUMS)
  find "$stage" -type d -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
  chmod 755 "$stage/install.sh"
  pack "$name" "$name"
}

rm -rf "$OUT"/*.tar.gz "$OUT"/*.sha256
ci/docs.sh
package x86_64 amd64 0x1000
package aarch64 arm64 0x10000

# The source as committed. The rockspec of the version builds it.
source=kong-response-$version
if [ "$(git rev-parse --show-toplevel 2> /dev/null)" = "$(pwd -P)" ]; then
  [ -z "$(git status --porcelain)" ] || echo "make dist: the package of the source has only committed changes" >&2
  rm -rf "${OUT:?}/$source"
  git archive --format=tar --prefix="$source/" HEAD | tar --extract --directory "$OUT"
  pack "$source-src" "$source"
else
  echo "make dist: no package of the source, because this folder is not a git repository" >&2
fi

(cd "$OUT" && for file in *.tar.gz; do sha256sum "$file" > "$file.sha256"; done)
ls -l "$OUT"/*.tar.gz
