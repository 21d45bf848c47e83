#!/usr/bin/env bash
# Checks the types like an editor: it must find each mistake in wrong.lua, and no other. Called by `make types`.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=0.25.1
tools=$PWD/build/types-tools

if ! "$tools/bin/emmylua_check" --version 2> /dev/null | grep -qF "$VERSION"; then
  "${CARGO:-cargo}" install --quiet --locked --version "$VERSION" --root "$tools" emmylua_check
fi

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/workspace"
cp -r types/. spec/types/right.lua spec/types/wrong.lua "$dir/workspace"
# The example plugins must have no warning, except gunzip and auth-service, because lua-zlib, lua-resty-http and kong.db
# have no types.
for plugin in examples/*/plugin.lua examples/openresty/plugins/*.lua template/kong/plugins/*/*.lua; do
  case $plugin in
    examples/gunzip/* | examples/auth-service/*) ;;
    *) install -D -m 644 "$plugin" "$dir/workspace/$plugin" ;;
  esac
done
# The same settings as in docs/types.md.
echo '{ "runtime": { "version": "LuaJIT" }, "diagnostics": { "globals": ["ngx"] } }' > "$dir/workspace/.luarc.json"

# The checker fails because wrong.lua has warnings.
(cd "$dir/workspace" && "$tools/bin/emmylua_check" --severity warn .) > "$dir/output" 2>&1 || true
grep -q "Check finished" "$dir/output" || { cat "$dir/output"; exit 1; }

# "wrong.lua:8 param-type-mismatch"
awk '
  match($0, /\[[a-z-]+\]$/) { code = substr($0, RSTART + 1, RLENGTH - 2) }
  $1 == "-->" { sub(/:[0-9]+$/, "", $2); print $2, code }
' "$dir/output" | sort -u > "$dir/found"
awk '/ -- [a-z-]+$/ { print "wrong.lua:" FNR, $NF }' spec/types/wrong.lua | sort -u > "$dir/expected"

missed=$(comm -13 "$dir/found" "$dir/expected")
lines=$(cut -d ' ' -f 1 "$dir/expected")
surplus=$(grep -vFx -f <(grep -F -w -f <(echo "$lines") "$dir/found") "$dir/found" || true)
if [ -n "$missed$surplus" ]; then
  cat "$dir/output"
  printf 'missing warnings: %s\nunexpected warnings: %s\n' "${missed:-none}" "${surplus:-none}" >&2
  exit 1
fi
echo "types: $(wc -l < "$dir/expected") expected warnings, no other"
