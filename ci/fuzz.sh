#!/usr/bin/env bash
# fuzz.sh SECONDS [TARGET...]: fuzzes each target for SECONDS, two at a time, starting with the corpus. Findings go to
# fuzz/artifacts, and new inputs to target/fuzz-corpus. Called by `make fuzz`.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=$1
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(accept decode error_page headers json number sequence)

export PATH="$PWD/target/tools/bin:$PATH"
# Instrumentation needs unstable flags. This variable makes the stable compiler accept them.
export RUSTC_BOOTSTRAP=1
cargo fuzz build --target-dir target/fuzz

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# No LeakSanitizer, because it does not know LuaJIT's allocator. `make valgrind` searches for leaks.
run() {
  local target=$1
  mkdir -p "target/fuzz-corpus/$target" "fuzz/artifacts/$target"
  "target/fuzz/$(rustc -vV | sed -n 's/^host: //p')/release/$target" \
    -max_total_time="$seconds" -timeout=30 -rss_limit_mb=4096 -max_len=4096 -detect_leaks=0 \
    -print_final_stats=1 -artifact_prefix="fuzz/artifacts/$target/" \
    "target/fuzz-corpus/$target" "fuzz/corpus/$target" > "$logs/$target" 2>&1 \
    && echo "nothing found" > "$logs/$target.outcome" || echo "FAILED" > "$logs/$target.outcome"
}
for target in "${targets[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
  run "$target" &
done
wait

failed=0
printf '\n%-12s %12s %8s  %s\n' target executions seconds outcome
for target in "${targets[@]}"; do
  outcome=$(cat "$logs/$target.outcome")
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$logs/$target")
  printf '%-12s %12s %8s  %s\n' "$target" "${executions:-?}" "$seconds" "$outcome"
  if [ "$outcome" = FAILED ]; then
    failed=1
    tail -n 60 "$logs/$target"
  fi
done
exit $failed
