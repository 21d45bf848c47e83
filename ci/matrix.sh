#!/usr/bin/env bash
# matrix.sh [SUITE...]: runs the specs in nginx and random plugins on the nginx of each Debian suite, and on the server
# that NGINX names, two servers at a time. Prints a table. The logs are in build/matrix. Called by `make matrix`.
set -euo pipefail
cd "$(dirname "$0")/.."

sequences=${N:-10000}
servers=()
unavailable=()
for suite in "$@"; do
  if folder=$(ci/server.sh "$suite" "$(dpkg --print-architecture)"); then
    servers+=("$suite:$folder/nginx")
  else
    unavailable+=("$suite")
  fi
done
[ -z "${NGINX:-}" ] || servers+=("NGINX:$NGINX")

logs=build/matrix
rm -rf $logs
mkdir -p $logs
bad=0

# total LOG: prints the numbers of passed and failed tests of all runs in a log.
total() {
  awk '/ successes? \/ / { passed += $1; failed += $4 + $7; runs++ } END {
    print passed + 0, runs ? failed + 0 : "no-result" }' "$1"
}

# run_server NAME NGINX: tests a server and writes its row of the table. The last cell is 0 if all tests have passed.
run_server() {
  local name=$1 log=$logs/$1.log code=0 passed failed agreed differ version module
  export NGINX=$2
  busted --lua=/usr/bin/luajit -o plainTerminal \
    spec/{functions,lifecycle,gateway,pdk,kit,plugins,server,security} > "$log" 2>&1 || code=1
  read -r passed failed < <(total "$log")
  CONFORMANCE_N=$sequences busted --lua=/usr/bin/luajit -o plainTerminal spec/conformance \
    > "$log.conformance" 2>&1 || code=1
  agreed=$(awk '/ random plugins of seed .* agree/ { n += $1 } END { print n + 0 }' "$log.conformance")
  read -r _ differ < <(total "$log.conformance")
  version=$("$NGINX" -V 2>&1 | sed -n 's/^nginx version: //p')
  module=$(ci/module-version.sh "$NGINX")
  printf '\n== %s: %s\n' "$name" "$NGINX"
  grep -hE '^(Failure|Error) ' "$log" "$log.conformance" || true
  echo "$name|$version|$module|$passed|$failed|$agreed|$differ|$code" > "$logs/$name.row"
}

for server in "${servers[@]}"; do
  while [ "$(jobs -pr | wc -l)" -ge 2 ]; do
    wait -n
  done
  run_server "${server%%:*}" "${server#*:}" &
done
wait

printf '\n%-10s %-18s %-8s %8s %8s %10s %8s\n' server version module passed failed plugins failed
for server in "${servers[@]}"; do
  IFS='|' read -r -a cells < "$logs/${server%%:*}.row"
  [ "${cells[7]}" = 0 ] || bad=1
  printf '%-10s %-18s %-8s %8s %8s %10s %8s\n' "${cells[@]:0:7}"
done
for suite in "${unavailable[@]}"; do
  bad=1
  printf '%-10s NOT TESTED: its packages could not be fetched\n' "$suite"
done
exit $bad
