#!/usr/bin/env bash
# Shows what clients get from an upstream, and through the plugins.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../serve.sh"

printf '%s== Four plugins, run by kong.response.lifecycle%s\n\n' "$bold" "$plain"
key="apikey: key-of-alice"
show "Before: the response of the upstream" "$upstream" /coffee
show "Proxied: headers removed and added, body transformed" "$gateway" /coffee -H "$key"
show "No key: exit(401, table, headers)" "$gateway" /coffee
show "Unknown key: exit(403), and the page of error_page" "$gateway" /coffee \
  -H "apikey: x" -H "Accept: text/plain"
show "Too much: error(429, message)" "$gateway" /coffee -H "$key" -H "X-Wanted: 101" \
  -H "Accept: application/xml"
show "The upstream times out" "$gateway" /slow -H "$key" -H "Accept: text/html"
show "nginx cannot read the request" "$gateway" /%00 -H "Accept: application/json"
show "A plugin fails" "$gateway" /coffee -H "$key" -H "X-Wanted: many" -H "Accept: application/json"

printf '%sThe access log: status, source, id, request%s\n' "$bold" "$plain"
sed 's/^/  /' "$dir/access.log"
printf '\n%sThe error log%s\n' "$bold" "$plain"
grep -o '[^ ]*\.lua:[0-9]*: .* handler of plugin .*\|upstream timed out' "$dir/error.log" | sed 's/^/  /'
