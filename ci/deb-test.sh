#!/usr/bin/env bash
# Checks the packages of `make deb` with lintian. For each Debian suite, it then installs the packages in a folder with
# the nginx and LuaJIT of this suite, uses them, and removes them again. Called by `make deb-test`.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(ci/version.sh)
architecture=$(dpkg --print-architecture)
library=$PWD/build/dist/lua-kong-response_$version-1_$architecture.deb
kit=$PWD/build/dist/lua-kong-response-testing_$version-1_$architecture.deb
dir=$(mktemp -d)
server=
stop() {
  [ -z "$server" ] || kill "$server" 2> /dev/null || true
  rm -rf "$dir"
}
trap stop EXIT

fail() {
  echo "make deb-test: $*" >&2
  exit 1
}

# The packages are not uploaded to Debian, so their changelogs close no Debian bug.
lintian --allow-root --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs build/dist/*.deb

in_folder() {
  dpkg --root="$folder" --force-not-root --force-depends "$@" > "$dir/dpkg.log" 2>&1 || {
    cat "$dir/dpkg.log"
    fail "dpkg $*"
  }
}
files() {
  (cd "$folder" && find . ! -path './var/lib/dpkg/*' ! -path './var/log/*' | LC_ALL=C sort)
}

for suite in bookworm trixie sid; do
  folder=$PWD/build/deb-test/$suite
  luajit=luajit
  [ "$suite" != bookworm ] || luajit=luajit2
  # This fails if the suite lacks a dependency of the packages.
  ci/debian.sh "$folder" "$suite" "$architecture" "$library" "$kit" $luajit libnginx-mod-http-lua lua-cjson
  ci/launchers.sh "$folder" "$architecture"
  mkdir -p "$folder"/var/lib/dpkg/{info,updates} "$folder/var/log"
  touch "$folder/var/lib/dpkg/status"

  files > "$dir/before"
  in_folder --install "$library" "$kit"
  result=$("$folder/luajit" -e '
    local kit = require "kong.response.testing"
    local result = kit.run {
      plugin = { access = function() kong.response.exit(403, { message = "no" }) end },
    }
    print(result.status, result.body)')
  [ "$result" = "403	{\"message\":\"no\"}" ] || fail "$suite: the kit answered $result"

  port=$((20000 + RANDOM % 20000))
  cat > "$dir/nginx.conf" << END
$(ci/nginx-modules.sh "$folder/nginx")
daemon off;
pid $dir/nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path $dir/body; proxy_temp_path $dir/proxy; fastcgi_temp_path $dir/fastcgi;
  uwsgi_temp_path $dir/uwsgi; scgi_temp_path $dir/scgi;
  server {
    listen 127.0.0.1:$port;
    location / { content_by_lua_block { require("kong.response").exit(418, "short") } }
  }
}
END
  "$folder/nginx" -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf" &
  server=$!
  answer=$(curl -s --retry 50 --retry-connrefused --retry-delay 0 --max-time 20 -w ' %{http_code}' \
    "http://127.0.0.1:$port/" || true)
  kill "$server" 2> /dev/null || true
  wait "$server" || true
  server=
  [ "$answer" = "short 418" ] || fail "$suite: nginx answered $answer: $(cat "$dir/error.log")"

  in_folder --purge lua-kong-response-testing lua-kong-response
  files > "$dir/after"
  cmp "$dir/before" "$dir/after" || fail "$suite: files were not removed: $(diff "$dir/before" "$dir/after")"
  echo "$suite: installed, used in LuaJIT and in nginx, removed"
done
