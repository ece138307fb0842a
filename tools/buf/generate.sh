#!/usr/bin/env bash
# Generates gen/ from proto/. With a folder as argument, generates there and leaves gen/ alone.
# Only files that differ are written, so that an unchanged tree keeps its build cache.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

if [[ $# -gt 0 ]]; then
  exec "$root/tools/buf/buf.sh" generate --output "$1"
fi

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"$root/tools/buf/buf.sh" generate --output "$fresh"
cd "$root"
mkdir -p gen
while IFS= read -r file; do
  if ! cmp -s "$fresh/gen/$file" "gen/$file"; then
    mkdir -p "gen/$(dirname "$file")"
    cp "$fresh/gen/$file" "gen/$file.new" && mv "gen/$file.new" "gen/$file"
    echo "generate: wrote gen/$file"
  fi
done < <(cd "$fresh/gen" && find . -type f | sed 's|^\./||' | sort)
while IFS= read -r file; do
  if [[ ! -e $fresh/gen/$file ]]; then
    rm "gen/$file"
    echo "generate: removed gen/$file"
  fi
done < <(cd gen && find . -type f | sed 's|^\./||' | sort)
