#!/usr/bin/env bash
# Shows what clients get from an upstream, and through the plugin.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../serve.sh"

printf '%s== A plugin called from the phases of nginx%s\n\n' "$bold" "$plain"
show "Before: the response of the upstream" "$upstream" /coffee
show "After: headers rewritten, body transformed" "$gateway" /coffee -H "apikey: key-of-alice"
show "No key: exit(401, table, headers)" "$gateway" /coffee
show "Wrong key: error(403, message), as JSON" "$gateway" /coffee \
  -H "apikey: <b>" -H "Accept: application/json"
show "Wrong key: error(403, message), as HTML" "$gateway" /coffee \
  -H "apikey: <b>" -H "Accept: text/html"

if [ -s "$dir/error.log" ]; then
  echo "nginx logged:" >&2
  cat "$dir/error.log" >&2
  exit 1
fi
