#!/usr/bin/env bash
# run.sh SCREENSHOTS: the checks in Chromium, of build/docs and of the pages of kong.response.error.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
shots=$1
# Debian's Python has Debian's selenium.
python=/usr/bin/python3
failed=0

rm -rf "$shots"
"$python" "$here/check_site.py" "$here/../../build/docs" "$shots" || failed=1

. "$here/../../examples/serve.sh"
"$python" "$here/check_pages.py" "http://127.0.0.1:$gateway" "$shots" || failed=1
exit "$failed"
