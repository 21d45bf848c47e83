#!/usr/bin/env bash
# Runs the library under valgrind: in LuaJIT with the specs that need no server, and in nginx with every function. It
# fails if an access is invalid or a block is lost. Called by `make valgrind`.
set -euo pipefail
cd "$(dirname "$0")/.."

here=$PWD/ci/valgrind
lualib=$PWD/build/lualib
nginx=${NGINX:-$(command -v openresty || command -v nginx || echo /usr/sbin/nginx)}
# nginx uses a variable of this name for inherited sockets.
unset NGINX
dir=$(mktemp -d)
pid=""
stop() {
  [ -z "$pid" ] || kill -KILL "$pid" 2> /dev/null || true
  rm -rf "$dir"
}
trap stop EXIT

# LuaJIT writes machine code while it runs, so valgrind must not reuse old translations of it.
memcheck=(valgrind --error-exitcode=99 --leak-check=full --show-leak-kinds=definite
  --errors-for-leak-kinds=definite --num-callers=30 --smc-check=all-non-file --gen-suppressions=all)

failed=0
# verdict TITLE LOG
verdict() {
  local summary
  summary=$(sed -n 's/.*\(ERROR SUMMARY: .*\)/\1/p' "$2" | tail -n 1)
  printf '%s: %s\n' "$1" "${summary:-valgrind did not finish}"
  case $summary in
    "ERROR SUMMARY: 0 errors"*) ;;
    *)
      failed=1
      cat "$2"
      ;;
  esac
}

# specs TITLE LUAJIT'S ARGUMENTS...
specs() {
  local title=$1
  shift
  timeout 900 "${memcheck[@]}" --log-file="$dir/specs.log" \
    luajit "$@" "$(command -v busted)" --run=memory > "$dir/specs.out" || failed=1
  grep -E 'successes? /' "$dir/specs.out" || tail -n 40 "$dir/specs.out"
  verdict "$title" "$dir/specs.log"
}

specs "Lua specs in memory"
specs "Lua specs in memory, without the JIT" -joff

load_module=$(ci/nginx-modules.sh "$nginx")

start() {
  local upstream=$((20000 + RANDOM % 20000))
  gateway=$((upstream + 1))
  sed -e "s|@LOAD_MODULE@|$load_module|" -e "s|@DIR@|$dir|g" -e "s|@HERE@|$here|g" \
    -e "s|@LUALIB@|$lualib|g" -e "s|@UPSTREAM@|$upstream|g" -e "s|@GATEWAY@|$gateway|g" \
    "$here/nginx.conf" > "$dir/nginx.conf"
  "${memcheck[@]}" --suppressions="$here/nginx.supp" --log-file="$dir/nginx.log" \
    "$nginx" -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf" 2> "$dir/start.log" &
  pid=$!
  for _ in $(seq 300); do
    if curl -sS -o /dev/null --max-time 10 "http://127.0.0.1:$gateway/ready" 2> /dev/null; then
      return 0
    fi
    kill -0 "$pid" 2> /dev/null || return 1
    sleep 0.2
  done
  return 1
}
for _ in 1 2 3 4 5; do
  if start; then break; fi
  grep -q "Address already in use" "$dir/start.log" "$dir/error.log" || break
done

# asks PATH STATUS [curl arguments]
asks() {
  local path=$1 expected=$2 status
  shift 2
  status=$(curl -sS -o "$dir/answer" -w '%{http_code}' --max-time 60 "$@" \
    "http://127.0.0.1:$gateway$path" || true)
  if [ "$status" != "$expected" ]; then
    printf '%s: the status is %s, expected %s\n' "$path" "$status" "$expected"
    failed=1
  fi
}
for _ in 1 2 3; do
  asks / 200
  asks /exit 403
  asks /exit-text 200
  asks /exit-empty 404
  for accept in text/html application/xml text/plain application/json; do
    asks /error 500 -H "Accept: $accept"
  done
  asks /error 500 --head
  asks /delayed 418
  asks /replaced 200
  asks /body 202
  asks /set-body 202
  # A client that hangs up while its body is being buffered.
  curl -s -o /dev/null --max-time 0.2 "http://127.0.0.1:$gateway/abandoned" || true
done
# A connection to the upstream may delay the graceful end after its client has hung up.
kill -QUIT "$pid" 2> /dev/null || true
for _ in $(seq 50); do
  kill -0 "$pid" 2> /dev/null || break
  sleep 0.2
done
kill -TERM "$pid" 2> /dev/null || true
wait "$pid" || true
pid=""
if grep -E '\[(alert|emerg|crit)\]|lua entry thread aborted|failed to run|should have failed' "$dir/error.log"; then
  failed=1
fi
verdict "nginx" "$dir/nginx.log"
exit $failed
