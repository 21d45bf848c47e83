#!/usr/bin/env bash
# cargo-tool.sh NAME VERSION: installs a tool for cargo into target/tools, if that version is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! grep -qs "^\"$1 $2 " target/tools/.crates.toml; then
  cargo install "$1" --version "$2" --locked --root target/tools
fi
