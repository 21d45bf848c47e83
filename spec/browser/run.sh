#!/usr/bin/env bash
# run.sh SCREENSHOTS: checks build/docs and the pages of kong.response.error in Chromium.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
shots=$1
# Debian's package of selenium works only with Debian's Python.
python=/usr/bin/python3
failed=0

rm -rf "$shots"
"$python" "$here/check_site.py" "$here/../../build/docs" "$shots" || failed=1

. "$here/../../examples/serve.sh"
"$python" "$here/check_pages.py" "http://127.0.0.1:$gateway" "$shots" || failed=1
exit "$failed"
