#!/usr/bin/env bash
# Builds the site build/docs from the Markdown of the repository: README.md, CONTRIBUTING.md, SECURITY.md, CHANGELOG.md,
# docs/, bench/record/ and the READMEs of examples/, each with its plugin and spec. It copies them with their folders, so
# that links between them work in both places. Called by `make docs`.
set -euo pipefail
cd "$(dirname "$0")/.."

MDBOOK=0.5.4

tools=$PWD/build/tools
mdbook=$(command -v mdbook || true)
if [ "$("${mdbook:-false}" --version 2> /dev/null)" != "mdbook v$MDBOOK" ]; then
  mdbook=$tools/bin/mdbook
fi
if [ "$("$mdbook" --version 2> /dev/null)" != "mdbook v$MDBOOK" ]; then
  echo "building mdBook $MDBOOK into build/tools: a few minutes, once"
  quiet=--quiet
  [ ! -t 2 ] || quiet=""
  "${CARGO:-cargo}" install mdbook --version "$MDBOOK" --locked $quiet \
    --no-default-features --features search --root "$tools" --target-dir "$tools/target"
  rm -rf "$tools/target"
fi

book=build/docs-source
rm -rf build/docs $book
mkdir -p $book/src
cp docs/site/book.toml docs/site/site.css $book
cp -r README.md CONTRIBUTING.md SECURITY.md CHANGELOG.md LICENSE docs examples bench $book/src
rm -r $book/src/docs/site

# The examples: one chapter for each README with the files of its folder, below the chapter that lists them.
examples() {
  local page title folder source language
  for page in examples/*/README.md; do
    [ -f "$page" ] || continue
    title=$(sed -n '1s/^# //p' "$page")
    printf '  - [%s](%s)\n' "$title" "$page"
    folder=$(dirname "$page")
    for source in "$folder"/{nginx.conf,*.html,plugin.lua,plugins/*.lua,*_spec.lua}; do
      [ -f "$source" ] || continue
      language=${source##*.}
      [ "$language" != conf ] || language=nginx
      printf '\n## %s\n\n```%s\n%s\n```\n' "${source#"$folder"/}" "$language" "$(cat "$source")"
    done >> "$book/src/$page"
  done
}
list='\|(docs/examples\.md)|'
{
  sed "${list}q" docs/site/SUMMARY.md
  examples
  sed "1,${list}d" docs/site/SUMMARY.md
} > $book/src/SUMMARY.md

"$mdbook" build $book
echo "build/docs/index.html"
