#!/usr/bin/env bash
# module-version.sh NGINX: prints the version of the server's lua-nginx-module.
set -euo pipefail
cd "$(dirname "$0")/.."

nginx=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat > "$dir/nginx.conf" << END
$(ci/nginx-modules.sh "$nginx")
daemon off;
pid $dir/nginx.pid;
events {}
http {
  init_by_lua_block {
    local version = ngx.config.ngx_lua_version
    io.stdout:write(("%d.%d.%d\n"):format(version / 1e6, version / 1e3 % 1e3, version % 1e3))
    os.exit(0)
  }
}
END
unset NGINX
"$nginx" -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf"
