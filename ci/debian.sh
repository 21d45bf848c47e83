#!/usr/bin/env bash
# debian.sh [--alone] FOLDER SUITE ARCHITECTURE PACKAGE...: unpacks packages of a Debian suite into FOLDER, with their
# dependencies unless --alone is given. The packages of the machine do not change. If a PACKAGE is a file, only its
# dependencies are unpacked. FOLDER/.packages lists the unpacked packages.
set -euo pipefail

alone=
if [ "$1" = --alone ]; then
  alone=yes
  shift
fi
folder=$1 suite=$2 architecture=$3
shift 3
wanted="$suite $architecture $* $alone"
[ "$(cat "$folder/.wanted" 2> /dev/null || true)" != "$wanted" ] || exit 0

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -f $keyring ] || "$(dirname "$0")/install.sh" debian-archive-keyring
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

rm -rf "$folder"
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
state=$folder.apt
rm -rf "$state"
mkdir -p "$state"/{lists/partial,archives/partial}
: > "$state/status"
echo "deb [signed-by=$keyring] $mirror $suite main" > "$state/sources.list"
# The lists of a snapshot have expired. apt still checks their signatures.
cat > "$state/apt.conf" << END
Dir::State "$state";
Dir::State::Lists "$state/lists";
Dir::State::Status "$state/status";
Dir::Cache "$state";
Dir::Cache::Archives "$state/archives";
Dir::Etc::SourceList "$state/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Parts "/dev/null";
Dir::Etc::Main "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::Check-Valid-Until "false";
Debug::NoLocking "true";
END
export APT_CONFIG=$state/apt.conf
apt-get -qq update
fetch() {
  if [ -n "$alone" ]; then
    (cd "$state/archives" && apt-get -qq download "$@")
  else
    apt-get -qq install --download-only -y "$@"
  fi
}
fetch "$@" > "$state/log" || { cat "$state/log" >&2; exit 1; }
# In newer suites, /bin, /lib and /sbin are links to the folders in /usr. Packages of older suites contain folders.
for name in bin lib lib64 sbin; do
  mkdir -p "$folder/usr/$name"
  ln -s "usr/$name" "$folder/$name"
done
for package in "$state"/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar --extract --keep-directory-symlink --directory "$folder"
  dpkg-deb --show --showformat='${Package} ${Version}\n' "$package"
done > "$folder/.packages"
rm -rf "$state"
echo "$wanted" > "$folder/.wanted"
