#!/usr/bin/env bash
# Generates Go into gen/ and TypeScript into clients/typescript/src/gen/ from proto/.
# With a folder as argument, generates there and leaves both alone.
# Only files that differ are written, so that an unchanged tree keeps its build cache.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

generate() {
  "$root/tools/buf/buf.sh" generate --output "$1"
  "$root/tools/buf/buf.sh" generate --template clients/typescript/buf.gen.yaml --output "$1"
}

if [[ $# -gt 0 ]]; then
  generate "$1"
  exit
fi

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
generate "$fresh"
cd "$root"
for out in gen clients/typescript/src/gen; do
  mkdir -p "$out"
  while IFS= read -r file; do
    if ! cmp -s "$fresh/$out/$file" "$out/$file"; then
      mkdir -p "$out/$(dirname "$file")"
      cp "$fresh/$out/$file" "$out/$file.new" && mv "$out/$file.new" "$out/$file"
      echo "generate: wrote $out/$file"
    fi
  done < <(cd "$fresh/$out" && find . -type f | sed 's|^\./||' | sort)
  while IFS= read -r file; do
    if [[ ! -e $fresh/$out/$file ]]; then
      rm "$out/$file"
      echo "generate: removed $out/$file"
    fi
  done < <(cd "$out" && find . -type f | sed 's|^\./||' | sort)
done
