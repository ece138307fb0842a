#!/usr/bin/env bash
# Runs a script of this folder in Node, with the browser that KVIT_BROWSER names, or Debian's Chromium:
#   tools/browser/run.sh checkout.mjs
# The driver is installed first when it is not there or of another version.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
installed=$here/node_modules/.package-lock.json

if [[ ! -f $installed || $here/package-lock.json -nt $installed ]]; then
  echo "browser: installing the pinned driver" >&2
  # Two checks that start at once install one after the other.
  exec 9<"$here/package-lock.json"
  if command -v flock >/dev/null; then flock 9; fi
  if [[ ! -f $installed || $here/package-lock.json -nt $installed ]]; then
    (cd "$here" && npm ci --no-progress >&2) && touch "$installed"
  fi
  exec 9<&-
fi

script=$1
shift
exec node "$here/$script" "$@"
