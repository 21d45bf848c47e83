#!/usr/bin/env bash
# Makes the packages of `make dist`: the library for x86-64 Linux with glibc 2.17 or later, and the
# source. Called by the Makefile.
set -euo pipefail
cd "$(dirname "$0")/.."

GLIBC=2.17
LIBGCC=4.8.0 # of the systems that have that glibc
TARGET=x86_64-unknown-linux-gnu
OUT=build/dist

fail() {
  echo "make dist: $*" >&2
  exit 1
}

[ "$(uname -sm)" = "Linux x86_64" ] || fail "packages are made on x86-64 Linux; use make build here"

version=$(ci/version.sh)
name=kong-response-$version-x86_64-linux-gnu
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2> /dev/null || date +%s)
fi
export SOURCE_DATE_EPOCH

# The tools, again when what is asked for has changed.
tools=$PWD/$OUT/tools
if ! cmp -s ci/dist-requirements.txt "$tools/requirements.txt"; then
  rm -rf "$tools"
  mkdir -p "$OUT"
  # Debian's, which the package python3-venv belongs to, rather than another one that comes first.
  python=/usr/bin/python3
  [ -x "$python" ] || python=python3
  "$python" -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --no-deps \
    --only-binary :all: --require-hashes -r ci/dist-requirements.txt
  cp ci/dist-requirements.txt "$tools/requirements.txt"
fi

# libgcc_s is named because cargo-zigbuild would link an unwinder of its own into the library. LuaJIT
# raises errors through our frames with the process's unwinder, and two of them crash.
flags=(
  "-Clink-arg=$(gcc -print-file-name=libgcc_s.so.1)"
  "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
  "--remap-path-prefix=$PWD=/kong-response"
)
zigbuild() {
  PATH="$tools/bin:$PATH" \
  CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; echo "${flags[*]}") \
  CARGO_ZIGBUILD_CACHE_DIR=$PWD/$OUT/cache \
  ZIG_GLOBAL_CACHE_DIR=$PWD/$OUT/cache \
  ZIG_LOCAL_CACHE_DIR=$PWD/$OUT/cache \
  XDG_CACHE_HOME=$PWD/$OUT/cache \
  "${CARGO:-cargo}" zigbuild --release --locked --target "$TARGET.$GLIBC" --package "$1"
}
zigbuild kong-response
zigbuild kong-response-testing

# The package.
stage=$OUT/$name
rm -rf "$stage" "$OUT"/*.tar.gz "$OUT"/*.sha256
mkdir -p "$stage/licenses"
cp -r lua "$stage/lualib"
cp -r types README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE docs examples "$stage/"
mkdir "$stage/bench"
cp -r bench/record bench/peer bench/worker "$stage/bench/" # the documents show and link to them
# What needs the rest of the source.
rm -r "$stage/docs/site" "$stage/examples/serve.sh" "$stage"/examples/*/run.sh
core=$OUT/core.so
kit=$OUT/testing-native.so
built=${CARGO_TARGET_DIR:-target}/$TARGET/release
strip --strip-unneeded -o "$core" "$built/libkong_response.so"
strip --strip-unneeded -o "$kit" "$built/libkong_response_testing.so"
ci/add-native.sh "$core" "$stage/lualib" kong/response/core
ci/add-native.sh "$kit" "$stage/lualib" kong/response/testing/native
cp ci/install-lualib.sh "$stage/install.sh"
python3 ci/licenses.py "$stage/licenses"
(cd "$stage" && find . -type f ! -name SHA256SUMS | sed 's|^\./||' | LC_ALL=C sort \
  | xargs -d '\n' sha256sum > SHA256SUMS)
find "$stage" -type d -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
chmod 755 "$stage/install.sh"

# What they ask of a system, and what they show.
newest() {
  objdump -T "$file" | grep -o "$1_[0-9.]*" | sed "s/$1_//" | sort -V | tail -1
}
at_most() {
  [ "$(printf '%s\n%s\n' "$2" "$3" | sort -V | tail -1)" = "$3" ] || fail "it needs $1 $2, not $3"
}
for file in "$core" "$kit"; do
  at_most glibc "$(newest GLIBC)" "$GLIBC"
  at_most libgcc "$(newest GCC)" "$LIBGCC"
  objdump -p "$file" | grep -q 'NEEDED *libgcc_s\.so\.1$' || fail "it has an unwinder of its own"
  others=$(objdump -T "$file" | grep -v '\*UND\*' | awk 'NF >= 6 { print $NF }' \
  | grep -Ev '^(luaopen|kong_response)_' || true)
  [ -z "$others" ] || fail "it shows symbols that are not its own: $others"
done

# The same files give the same tarball.
pack() {
  tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    --directory "$OUT" "$2" | gzip -n -9 > "$OUT/$1.tar.gz"
}
pack "$name" "$name"

# The source, as git has it: what the rockspec of the version builds.
source=kong-response-$version
if [ "$(git rev-parse --show-toplevel 2> /dev/null)" = "$(pwd -P)" ]; then
  [ -z "$(git status --porcelain)" ] || echo "make dist: the source is packed as it was committed" >&2
  rm -rf "${OUT:?}/$source"
  git archive --format=tar --prefix="$source/" HEAD | tar --extract --directory "$OUT"
  pack "$source-src" "$source"
else
  echo "make dist: no package of the source, because this is no git repository" >&2
fi

(cd "$OUT" && for file in *.tar.gz; do sha256sum "$file" > "$file.sha256"; done)
ls -l "$OUT"/*.tar.gz
