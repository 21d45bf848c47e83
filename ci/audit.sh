#!/usr/bin/env bash
# Checks licences, sources, duplicates and known vulnerabilities of all dependencies: of the library, of its fuzz
# targets, and of the load test. Called by `make audit`.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/target/tools/bin:$PATH"

checks=(licenses bans sources)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if cargo deny --locked fetch db > "$log" 2>&1; then
  checks+=(advisories)
else
  skipped=$(grep -m 1 -E 'ERROR|error' "$log" | cut -c 1-300 || true)
fi

failed=0
for manifest in Cargo.toml fuzz/Cargo.toml soak/Cargo.toml; do
  printf '\n== %s\n' "$manifest"
  cargo deny --locked --manifest-path "$manifest" check "${checks[@]}" || failed=1
done
if [ -n "${skipped+set}" ]; then
  printf '\nSKIPPED: advisories. The database of known vulnerabilities could not be fetched:\n%s\n' "$skipped"
fi
exit $failed
