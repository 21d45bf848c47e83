#!/usr/bin/env bash
# deb.sh: turns the packages of `make dist` into Debian packages, in build/dist. Called by `make deb`.
set -euo pipefail
cd "$(dirname "$0")/.."

OUT=build/dist
version=$(ci/version.sh)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || date +%s)}
export SOURCE_DATE_EPOCH
date=$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
maintainer="The kong-response maintainers <maintainers@kong-response.invalid>"

is_of_kit() {
  case $1 in
    */testing.lua | */testing/*) return 0 ;;
    *) return 1 ;;
  esac
}

# documents FOLDER PACKAGE FROM: writes the documents of a package.
documents() {
  local doc=$1/usr/share/doc/$2
  mkdir -p "$doc"
  {
    printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n'
    printf 'Files: *\nCopyright: 2026 the authors of kong-response\nLicense: Apache-2.0\n'
    printf ' On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0.\n'
    printf '\nComment:\n The native part contains these crates. Their licences are in the folder licenses.\n'
    (cd "$3/licenses" && printf ' %s\n' *)
  } > "$doc/copyright"
  cp -r "$3/licenses" "$doc/licenses"
  cp "$3/CHANGELOG.md" "$doc/changelog"
  printf 'kong-response (%s-1) unstable; urgency=medium\n\n  * Version %s, see changelog.gz.\n\n -- %s  %s\n' \
    "$version" "$version" "$maintainer" "$date" > "$doc/changelog.Debian"
  gzip -n -9 "$doc/changelog" "$doc/changelog.Debian"
}

# control PACKAGE ARCHITECTURE SIZE: prints the control file. Its last fields come from standard input.
control() {
  printf 'Package: %s\nSource: kong-response\nVersion: %s-1\nArchitecture: %s\nMaintainer: %s\n' \
    "$1" "$version" "$2" "$maintainer"
  printf 'Installed-Size: %s\nSection: interpreters\nPriority: optional\n' "$3"
  cat
}

# pack FOLDER PACKAGE ARCHITECTURE < the rest of the control file
pack() {
  mkdir -p "$1/DEBIAN"
  (cd "$1" && find usr -type f | LC_ALL=C sort | xargs -d '\n' md5sum) > "$1/DEBIAN/md5sums"
  control "$2" "$3" "$(du -k -s --apparent-size "$1/usr" | cut -f 1)" > "$1/DEBIAN/control"
  find "$1" -type d -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
  find "$1" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
  dpkg-deb --root-owner-group -Zxz --build "$1" "$OUT/$2_$version-1_$3.deb" > /dev/null
  rm -r "$1"
}

# debs PROCESSOR ARCHITECTURE
debs() {
  local from=$OUT/kong-response-$version-$1-linux-gnu library=$OUT/deb-library kit=$OUT/deb-kit file to folder
  [ -d "$from/lualib" ] || { echo "make deb: no $from; run make dist" >&2; exit 1; }
  rm -rf "$library" "$kit"
  while read -r file; do
    folder=$library
    ! is_of_kit "$file" || folder=$kit
    case $file in
      *.so | *.version) to=usr/lib/$1-linux-gnu/lua/5.1 ;;
      *) to=usr/share/lua/5.1 ;;
    esac
    install -D -m 644 "$from/lualib/$file" "$folder/$to/$file"
  done < <(cd "$from/lualib" && find . -type f | sed 's|^\./||')
  documents "$library" lua-kong-response "$from"
  documents "$kit" lua-kong-response-testing "$from"

  pack "$library" lua-kong-response "$2" << 'END'
Depends: libc6 (>= 2.17), libgcc-s1
Recommends: libnginx-mod-http-lua (>= 1:0.10.23)
Description: client-response module of Kong Gateway's plugin API
 kong.response for nginx with lua-nginx-module, OpenResty and Kong gateways.
 Plugins read and change the status, the headers and the body of responses,
 and answer requests themselves. The rules are a native library.
END
  pack "$kit" lua-kong-response-testing "$2" << END
Depends: libc6 (>= 2.17), libgcc-s1, lua-kong-response (= $version-1), luajit2 | luajit
Recommends: lua-busted
Description: test kit for plugins that use kong.response
 Runs the phases of a plugin in LuaJIT without a server. Requests are in
 memory, and responses are what nginx would send.
END
}

rm -f "$OUT"/*.deb
debs x86_64 amd64
debs aarch64 arm64
ls -l "$OUT"/*.deb
