#!/usr/bin/env bash
# Fails when committed generated code is not what proto/ generates.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"$root/tools/buf/generate.sh" "$fresh"
drift=0
for out in gen clients/typescript/src/gen; do
  if ! diff -ru "$root/$out" "$fresh/$out"; then
    echo "check-generate: $out/ is not what proto/ generates; run make generate and commit the result" >&2
    drift=1
  fi
done
if [[ $drift -ne 0 ]]; then exit 1; fi
echo "check-generate: generated code is what proto/ generates"
