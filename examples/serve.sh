# For the run.sh of an example in the folder `here`. It starts nginx with the example's nginx.conf, on free ports of
# 127.0.0.1 and in a temporary folder. `show` prints what a client gets. At the end it stops nginx and removes the folder.

lualib=$(cd "${LUALIB:-$here/../../build/lualib}" && pwd)
nginx=${NGINX:-$(command -v openresty || command -v nginx || echo /usr/sbin/nginx)}
# nginx reads inherited sockets from a variable of this name, and then stays in the foreground.
unset NGINX
dir=$(mktemp -d)

stop() {
  if [ -s "$dir/nginx.pid" ]; then
    kill "$(cat "$dir/nginx.pid")" 2>/dev/null || true
    # nginx removes the file when it ends.
    for _ in $(seq 100); do
      [ -e "$dir/nginx.pid" ] || break
      sleep 0.05
    done
  fi
  rm -rf "$dir"
}
trap stop EXIT

load_module=$("$here/../../ci/nginx-modules.sh" "$nginx")
# Workers of root's nginx run as another user, who may have no access to the checkout.
if [ "$(id -u)" = 0 ]; then
  load_module="user root; $load_module"
fi

started=""
for _ in 1 2 3 4 5; do
  # These ports are below those that a system uses for outgoing connections.
  upstream=$((10000 + RANDOM % 20000))
  gateway=$((upstream + 1))
  sed -e "s|@LOAD_MODULE@|$load_module|" -e "s|@DIR@|$dir|g" -e "s|@HERE@|$here|g" \
    -e "s|@LUALIB@|$lualib|g" -e "s|@UPSTREAM@|$upstream|g" -e "s|@GATEWAY@|$gateway|g" \
    "$here/nginx.conf" > "$dir/nginx.conf"
  if "$nginx" -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf" 2> "$dir/start.log"; then
    started=yes
    break
  fi
  grep -q "Address already in use" "$dir/start.log" || break
done
if [ -z "$started" ]; then
  cat "$dir/start.log" >&2
  exit 1
fi

# On a terminal: progress, and colours unless NO_COLOR is set (https://no-color.org).
of=""
[ ! -t 1 ] || of=$(grep -c '^show ' "$0")
shown=0
bold="" dim="" green="" yellow="" red="" plain=""
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' yellow=$'\e[33m' red=$'\e[31m' plain=$'\e[0m'
fi

# show TITLE PORT PATH [curl arguments]
show() {
  local title=$1 url=http://127.0.0.1:$2$3
  shift 3
  shown=$((shown + 1))
  printf '%s%s%s%s\n' "${of:+$dim[$shown/$of] $plain}" "$bold" "$title" "$plain"
  local command="curl -i $url" argument
  for argument in "$@"; do
    case $argument in
      *' '*) command="$command '$argument'" ;;
      *) command="$command $argument" ;;
    esac
  done
  printf '%s$ %s%s\n' "$dim" "$command" "$plain"
  curl -sS -i --max-time 5 "$@" "$url" | tr -d '\r' |
    awk -v good="$bold$green" -v refused="$bold$yellow" -v failed="$bold$red" -v dim="$dim" \
      -v plain="$plain" '
        NR == 1 { $0 = ($2 < 400 ? good : $2 < 500 ? refused : failed) $0 plain }
        /^$/ { body = 1 }
        NR > 1 && !body { sub(/^[^:]*:/, dim "&" plain) }
        { print "  " $0 }'
  printf '\n'
}
