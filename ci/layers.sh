#!/usr/bin/env bash
# Checks that imports run downward: no file imports a layer above its own, and no two layers import each other. The list
# starts with the lowest layer. src/lua/edge/call.rs belongs to the layer src/lua/edge.
set -euo pipefail
cd "$(dirname "$0")/.."

awk '
  BEGIN {
    floors = split("content_length date json_error phase error fault body host response lua::edge lua::json lua::functions lua::nginx" \
                   " lua::ffi lua::bind", floor, " ")
    for (i = 1; i <= floors; i++) rank[floor[i]] = i
  }
  function floor_of(path,   i, found) {
    for (i = 1; i <= floors; i++)
      if (path == floor[i] || index(path, floor[i] "::") == 1) found = floor[i]
    return found
  }
  FNR == 1 {
    own = FILENAME
    sub(/^src\//, "", own); sub(/(\/mod)?\.rs$/, "", own); gsub("/", "::", own)
    tests = 0
  }
  /^#\[cfg\(test\)\]/ { tests = 1 }
  tests { next }
  {
    line = $0
    sub(/\/\/.*/, "", line)
    while (match(line, /(crate|super)(::[a-z_]+)+/)) {
      path = substr(line, RSTART, RLENGTH)
      line = substr(line, RSTART + RLENGTH)
      if (path ~ /^super/) {
        parent = own
        if (FILENAME !~ /\/mod\.rs$/ || own ~ /::/) sub(/(::)?[a-z_]+$/, "", parent)
        sub(/^super/, parent, path)
      } else sub(/^crate::/, "", path)
      to = floor_of(path); from = floor_of(own)
      if (to != "" && from != "" && to != from && rank[to] > rank[from]) {
        printf "%s:%d: %s is above %s\n", FILENAME, FNR, to, from
        wrong = 1
      }
    }
  }
  END { exit wrong }
' $(find src -name '*.rs' ! -name tests.rs | sort)
