#!/usr/bin/env bash
# Everything that is tested, and the totals of all runners at the end. Called by `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=()

# step TITLE COMMAND...: goes on after a failure, so that one run shows them all.
step() {
  local title=$1
  shift
  printf '\n== %s\n' "$title"
  "$@" 2>&1 | tee -a "$log" || failed+=("$title")
}

step "layers" ci/layers.sh
step "formatting" cargo fmt --all --check
step "lints, Rust" cargo clippy --locked --workspace --all-targets -- -D warnings
step "lints, Rust, linked to LuaJIT" \
  cargo clippy --locked --workspace --all-targets --no-default-features --features fault-injection \
  -- -D warnings
step "lints, fuzz targets" cargo clippy --locked --manifest-path fuzz/Cargo.toml --target-dir target \
  --no-default-features --all-targets -- -D warnings
step "formatting, fuzz targets" cargo fmt --check --manifest-path fuzz/Cargo.toml
step "lints, Lua" luacheck -q lua spec examples types bench fuzz/lua soak ci
step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet
step "Rust" cargo test --locked --workspace --no-default-features --quiet
step "numbers against libc" \
  cargo test --locked --no-default-features --release --quiet --test number_against_libc
# Without the fuzzer: the same functions, called with the files of its corpus.
step "the fuzz targets' corpus" cargo test --locked --manifest-path fuzz/Cargo.toml --target-dir target \
  --no-default-features --quiet
step "Lua, without a server" busted --lua=/usr/bin/luajit --run=unit
step "Lua, the example plugins" busted --lua=/usr/bin/luajit --run=examples
step "Lua, on both hosts" busted --lua=/usr/bin/luajit --run=hosts
step "Lua, in nginx" busted --lua=/usr/bin/luajit --run=nginx
step "installing, LuaRocks" busted --lua=/usr/bin/luajit --run=packages
step "load, formatting" cargo fmt --check --manifest-path soak/Cargo.toml
step "load, lints" cargo clippy --locked --quiet --manifest-path soak/Cargo.toml -- -D warnings
step "load, for 5 seconds" \
  cargo run --release --locked --quiet --manifest-path soak/Cargo.toml -- 5

# Once more at the end: a log that is cut off at its beginning still tells what is wrong.
if [ ${#failed[@]} -gt 0 ]; then
  printf '\n== failed: %s\n' "${failed[@]}"
  grep -E -A 12 '^(Failure|Error) ->|panicked at |^error|^wrong:|^hanging:' "$log" | tail -n 100 || true
fi

# cargo: "test result: ok. 3 passed; 0 failed; 0 ignored"; busted: "5 successes / 0 failures / 0 errors"
printf '\n== totals\n'
awk -v failed="${#failed[@]}" '
  /^test result:/ {
    for (i = 1; i <= NF; i++) {
      if ($i ~ /^passed/) rust_ok += $(i - 1)
      if ($i ~ /^failed/) rust_bad += $(i - 1)
    }
  }
  / successes? \/ / {
    lua_ok += $1; lua_bad += $4 + $7
  }
  END {
    printf "Rust: %d passed, %d failed\n", rust_ok, rust_bad
    printf "Lua: %d passed, %d failed\n", lua_ok, lua_bad
    if (failed && rust_bad + lua_bad == 0) print "failed: see above"
    printf "%d passed, %d failed\n", rust_ok + lua_ok, rust_bad + lua_bad
  }' "$log"
[ ${#failed[@]} -eq 0 ]
