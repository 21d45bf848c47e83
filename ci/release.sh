#!/usr/bin/env bash
# release.sh VERSION: checks that all files name VERSION, builds the packages twice, and compares their bytes. Leaves
# the packages, their checksums and a bill of materials (SBOM) in build/release. Called by `make release`.
set -euo pipefail
cd "$(dirname "$0")/.."

version=${1:-}
OUT=build/release

fail() {
  echo "make release: $*" >&2
  exit 1
}

# names FILE PATTERN: fails if no line of the file matches the pattern.
names() {
  grep -qE "$2" "$1" || fail "$1 does not name version $version"
}
[[ "$version" =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "name the version, for example: make release VERSION=$(ci/version.sh)"
exact=${version//./\\.}
for file in Cargo.toml testing/Cargo.toml; do
  names $file "^version = \"$exact\"$"
done
for package in kong-response kong-response-testing; do
  grep -A 1 "^name = \"$package\"$" Cargo.lock | grep -q "^version = \"$exact\"$" \
    || fail "Cargo.lock does not name version $version of $package"
done
names lua/kong/response/native.lua "^local VERSION = \"$exact\"$"
rockspec=rockspecs/kong-response-$version-1.rockspec
[ -f "$rockspec" ] || fail "there is no $rockspec"
names "$rockspec" "^version = \"$exact-1\"$"
names "$rockspec" "^  url = \"file://kong-response-$exact-src\.tar\.gz\",$"
names "$rockspec" "^  dir = \"kong-response-$exact\",$"
grep -qE "^## \[$exact\] - [0-9]{4}-[0-9]{2}-[0-9]{2}$" CHANGELOG.md || fail "CHANGELOG.md has no chapter for $version. This \
command turns [Unreleased] into this chapter, and commits it:
  sed -i 's/^## \[Unreleased\]$/&\n\n## [$version] - $(date +%F)/' CHANGELOG.md && git commit -m 'Version $version' CHANGELOG.md"
[ -z "$(git status --porcelain)" ] || fail "there are changes that are not committed"

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
unset CARGO_TARGET_DIR
# Both builds use the mdBook that the first one installs.
export PATH="$PWD/build/tools/bin:$PATH"

# The second build is in a new clone in another folder.
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
git clone --quiet . "$dir/clone"

build() {
  rm -rf target/{x86_64,aarch64}-unknown-linux-gnu
  ci/dist.sh
  ci/deb.sh
}
packages() {
  (cd "$1/build/dist" && sha256sum -- *.tar.gz *.deb)
}
build
(cd "$dir/clone" && build)
packages . > "$dir/first"
packages "$dir/clone" > "$dir/second"
diff "$dir/first" "$dir/second" || fail "two builds of the same commit have different bytes"

# Without times and random numbers, the bill of materials of a commit always has the same bytes.
PATH="$PWD/target/tools/bin:$PATH" cargo cyclonedx --manifest-path "$dir/clone/Cargo.toml" --format json \
  --target all --quiet
rm -rf $OUT
mkdir -p $OUT
cp build/dist/*.tar.gz build/dist/*.deb $OUT
cp "$rockspec" $OUT
cp "$dir"/clone/kong-response.cdx.json "$OUT/kong-response-$version.cdx.json"
cp "$dir"/clone/testing/kong-response-testing.cdx.json "$OUT/kong-response-testing-$version.cdx.json"
(cd $OUT && sha256sum -- * > SHA256SUMS)
cat $OUT/SHA256SUMS
