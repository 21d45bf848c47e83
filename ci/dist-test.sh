#!/usr/bin/env bash
# Unpacks the package of `make dist` in another folder, and runs the specs on it. Called by `make dist-test`.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
aside=build/lualib.aside
back() {
  rm -rf "$dir"
  [ ! -d $aside ] || mv $aside build/lualib
}
trap back EXIT
version=$(ci/version.sh)
export DIST=$PWD/build/dist DIST_VERSION=$version
tar -xzf "build/dist/kong-response-$version-x86_64-linux-gnu.tar.gz" -C "$dir"
export LUALIB=$dir/kong-response-$version-x86_64-linux-gnu/lualib

run() {
  busted --lua=/usr/bin/luajit --lpath="$LUALIB/?.lua" --cpath="$LUALIB/?.so" "$@"
}
# Moves build/lualib away, so that no spec uses it instead of the package.
rm -rf $aside
mv build/lualib $aside
run --run=dist
run spec/packages/loading_spec.lua
run examples
run spec/{functions,lifecycle,gateway,pdk,schema,kit,plugins,server,security,documents,conformance,bench}
