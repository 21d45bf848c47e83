#!/usr/bin/env bash
# Tests the aarch64 package of `make dist` under qemu-user, with Debian's arm64 LuaJIT and nginx: the Rust tests, the
# test kit's specs in LuaJIT, the functions' specs and random plugins in nginx. Called by `make test-aarch64`.
set -euo pipefail
cd "$(dirname "$0")/.."

SUITE=trixie
TARGET=aarch64-unknown-linux-gnu
sequences=${N:-2000}
logs=build/aarch64
mkdir -p $logs
failed=()

server=$(ci/server.sh $SUITE arm64)
bookworm=$(ci/server.sh bookworm arm64) # has the same C library as the cross compiler
LUALIB=$PWD/build/dist/kong-response-$(ci/version.sh)-aarch64-linux-gnu/lualib
[ -d "$LUALIB" ] || { echo "no $LUALIB; run make dist" >&2; exit 1; }

# run TITLE LOG COMMAND...
run() {
  local title=$1 log=$logs/$2
  shift 2
  printf '\n== %s\n' "$title"
  "$@" > "$log" 2>&1 || failed+=("$title")
  grep -hE '^(Failure|Error) |panicked at |^error' "$log" || true
  grep -hE '^test result|successes? /| random plugins of seed ' "$log" || tail -n 20 "$log"
}

# Debian's cross compiler links the tests with LuaJIT's library for arm64.
development=$PWD/build/rust/luajit-arm64
ci/debian.sh --alone "$development" bookworm arm64 libluajit2-5.1-dev libluajit2-5.1-2
rust_tests() {
  PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_SYSROOT_DIR="$development" \
  PKG_CONFIG_LIBDIR="$development/usr/lib/aarch64-linux-gnu/pkgconfig" \
  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static -L $bookworm" \
  RUSTFLAGS="-L $development/usr/lib/aarch64-linux-gnu" RUSTC="$(ci/rustc-for.sh $TARGET)" \
  cargo test --locked --workspace --no-default-features --quiet --lib --target $TARGET \
  --config profile.dev.package.kong-response.opt-level=1 -- --test-threads=1 "$@"
}
run "Rust" rust.log rust_tests
# The kernels of some aarch64 systems have pages of 16 or 64 KiB. qemu imitates them.
for size in 16384 65536; do
  QEMU_PAGESIZE=$size run "Rust, the allocator with pages of $size bytes" "pages-$size.log" rust_tests allocator
done

run "Lua, the test kit in LuaJIT for aarch64" kit.log \
  env PATH="$server:$PATH" LUA_PATH="$LUALIB/?.lua;./?.lua" LUA_CPATH="$LUALIB/?.so" "$server/luajit" \
  "$server/usr/bin/busted" --ignore-lua --lpath="$LUALIB/?.lua" --cpath="$LUALIB/?.so" \
  --exclude-pattern=_in_nginx_spec -o plainTerminal spec/kit

# nginx runs under qemu. The specs run natively and send requests to it.
export NGINX=$server/nginx NGINX_SECONDS=120 LUALIB
run "Lua, the functions in nginx for aarch64" functions.log \
  busted --lua=/usr/bin/luajit --exclude-tags=memory -o plainTerminal spec/functions
run "Lua, $sequences random plugins, with the JIT on and off" conformance.log env CONFORMANCE_N="$sequences" \
  busted --lua=/usr/bin/luajit -o plainTerminal spec/conformance

printf '\n== totals\n'
awk '/^test result:/ { passed += $4; failed += $6 } END {
  printf "Rust: %d passed, %d failed\n", passed, failed }' $logs/rust.log $logs/pages-*.log
awk '/ successes? \/ / { passed += $1; failed += $4 + $7 } / random plugins of seed / { sequences += $1 } END {
  printf "Lua: %d passed, %d failed; %d random plugins\n", passed, failed, sequences
}' $logs/kit.log $logs/functions.log $logs/conformance.log
[ ${#failed[@]} -eq 0 ] || { printf 'failed: %s\n' "${failed[@]}"; exit 1; }
