#!/usr/bin/env bash
# Fails when the committed gen/ is not what proto/ generates.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"$root/tools/buf/generate.sh" "$fresh"
if ! diff -ru "$root/gen" "$fresh/gen"; then
  echo "check-generate: gen/ is not what proto/ generates; run make generate and commit the result" >&2
  exit 1
fi
echo "check-generate: gen/ is what proto/ generates"
