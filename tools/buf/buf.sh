#!/usr/bin/env bash
# Runs the pinned buf in the repository's root; installs it first when it is not there or of another version.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$root/tools/buf
installed=$here/node_modules/.package-lock.json

if [[ ! -x $here/node_modules/.bin/buf || $here/package-lock.json -nt $installed ]]; then
  if ! command -v npm >/dev/null; then
    echo "buf: npm is needed to install the pinned buf; install Node 20 or newer (Debian: apt-get install npm)" >&2
    exit 1
  fi
  echo "buf: installing the pinned version" >&2
  # Two checks that start at once install one after the other.
  exec 9<"$here/package-lock.json"
  if command -v flock >/dev/null; then flock 9; fi
  if [[ ! -x $here/node_modules/.bin/buf || $here/package-lock.json -nt $installed ]]; then
    # Not "npm ci": it wants every platform's package in the lock file, and only those of Linux are locked.
    (cd "$here" && npm install --no-save --no-progress >&2) && touch "$installed"
  fi
  exec 9<&-
fi

cd "$root"
exec "$here/node_modules/.bin/buf" "$@"
