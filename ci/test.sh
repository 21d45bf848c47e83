#!/usr/bin/env bash
# Runs the tests, two suites at a time, and prints the totals of all runners at the end. Called by `make test`. `make
# check` calls it with the argument `check`, which skips the tests that need a server.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
workers=()
stop() {
  for worker in "${workers[@]}"; do
    kill -- "-$worker" 2> "$dir/stop" || true
  done
  rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The steps of one suite run one after the other. The number of a suite is the index of its first step.
STEP_SECONDS=1800
titles=()
commands=()
suites=()
suite=

# suite: starts a suite. Its steps may run at the same time as the steps of other suites.
suite() {
  suite=${#titles[@]}
}

# step TITLE COMMAND...
step() {
  titles+=("$1")
  shift
  commands+=("$(printf '%q ' "$@")")
  suites+=("$suite")
}

# specs TITLE ARGUMENTS...
specs() {
  local title=$1
  shift
  step "$title" busted --lua=/usr/bin/luajit "$@"
}

features=(--no-default-features)
suite
step "layers" ci/layers.py
step "formatting" cargo fmt --all --check
step "lints, Rust" cargo clippy --locked --workspace --all-targets -- -D warnings
step "lints, Rust, linked to LuaJIT" cargo clippy --locked --workspace --all-targets "${features[@]}" \
  --features fault-injection -- -D warnings
if [ "${1:-}" = check ]; then
  step "Rust" cargo test --locked --workspace "${features[@]}" --quiet --lib
  suite
  step "lints, Lua" luacheck -q lua spec examples types bench fuzz/lua soak ci
  specs "Lua, without a server" --run=memory
  specs "Lua, the functions in memory" --tags=memory \
    --exclude-pattern=_in_nginx_spec spec/functions
  specs "Lua, the example plugins" --run=examples
else
  step "lints, fuzz targets" cargo clippy --locked --manifest-path fuzz/Cargo.toml \
    --target-dir target "${features[@]}" --all-targets -- -D warnings
  step "formatting, fuzz targets" cargo fmt --check --manifest-path fuzz/Cargo.toml
  step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet
  step "Rust" cargo test --locked --workspace "${features[@]}" --quiet
  # Runs the functions of the fuzz targets on the corpus, without the fuzzer.
  step "the fuzz targets' corpus" cargo test --locked --manifest-path fuzz/Cargo.toml \
    --target-dir target "${features[@]}" --quiet
  step "load, formatting" cargo fmt --check --manifest-path soak/Cargo.toml
  step "load, lints" cargo clippy --locked --quiet --manifest-path soak/Cargo.toml -- -D warnings
  step "load, for 5 seconds" \
    cargo run --locked --quiet --manifest-path soak/Cargo.toml -- 5
  # Not a suite of its own, because it calls cargo, and cargo waits for another cargo.
  specs "loading, installing, LuaRocks" spec/packages
  suite
  step "lints, Lua" luacheck -q lua spec examples types bench fuzz/lua soak ci
  # The longest suites first, so that both workers end at about the same time.
  suite
  specs "Lua, the functions in nginx and in memory" --exclude-pattern=_in_nginx_spec spec/functions
  suite
  specs "Lua, the functions in nginx" --pattern=_in_nginx_spec spec/functions
  suite
  specs "Lua, nginx's workers" spec/server
  suite
  specs "Lua, the life cycle" spec/lifecycle
  suite
  specs "Lua, the plugin interface" spec/pdk
  suite
  specs "Lua, security" spec/security
  suite
  specs "Lua, random plugins" spec/conformance
  suite
  specs "Lua, the test kit" spec/kit
  specs "Lua, the example plugins" --run=examples
  suite
  specs "Lua, documents and examples" spec/documents
  suite
  specs "Lua, the gateway's module" spec/gateway
  specs "Lua, the bench" spec/bench
fi

# Runs the folders of spec/ that no suite names.
if [ "${1:-}" != check ]; then
  for folder in spec/*/; do
    case $folder in
      spec/dist/ | spec/support/ | spec/types/ | spec/browser/) continue ;;
    esac
    folder=${folder%/}
    if ! printf '%s\n' "${commands[@]}" | grep -qE "$folder( |\$)"; then
      suite
      specs "Lua, $folder" "$folder"
    fi
  done
fi

# Runs the suites that the other worker has not taken, one after the other.
work() {
  local i previous=-1 mine=
  for i in "${!titles[@]}"; do
    if [ "${suites[i]}" != "$previous" ]; then
      previous=${suites[i]}
      mine=
      if mkdir "$dir/suite.$previous" 2> "$dir/taken.$BASHPID"; then
        mine=yes
      fi
    fi
    if [ -n "$mine" ]; then
      local code=0
      timeout --foreground --kill-after=10 $STEP_SECONDS bash -c "exec ${commands[i]}" > "$dir/$i.log" 2>&1 || code=$?
      [ $code != 124 ] || echo "error: the step did not end within $STEP_SECONDS seconds" >> "$dir/$i.log"
      echo "$code" > "$dir/$i.code.new"
      mv "$dir/$i.code.new" "$dir/$i.code"
    fi
  done
}

# Each worker is a process group, so that `stop` also ends the processes that it has started.
set -m
work &
workers+=($!)
work &
workers+=($!)
set +m

log=$dir/log
failed=()
for i in "${!titles[@]}"; do
  printf '\n== %s\n' "${titles[i]}"
  while [ ! -e "$dir/$i.code" ]; do
    if ! kill -0 "${workers[0]}" 2> "$dir/gone" && ! kill -0 "${workers[1]}" 2> "$dir/gone"; then
      [ -e "$dir/$i.code" ] || echo "error: the suite did not end" >> "$dir/$i.log"
      [ -e "$dir/$i.code" ] || echo 1 > "$dir/$i.code"
    fi
    sleep 0.2
  done
  tee -a "$log" < "$dir/$i.log"
  [ "$(cat "$dir/$i.code")" = 0 ] || failed+=("${titles[i]}")
done

# Repeats the failures at the end, for readers who see only the end of the log.
if [ ${#failed[@]} -gt 0 ]; then
  printf '\n== failed: %s\n' "${failed[@]}"
  grep -E -A 12 '^(Failure|Error) ->|panicked at |^error|^wrong:|^hanging:' "$log" | tail -n 100 || true
fi

# Adds up the lines of cargo, "test result: ok. 3 passed; 0 failed; 0 ignored",
# and of busted, "5 successes / 0 failures / 0 errors"
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
