#!/usr/bin/env bash
# buf lint (STANDARD and COMMENTS) and buf's formatting over our own protos.
set -euo pipefail
buf=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/buf.sh
"$buf" lint
if ! "$buf" format --diff --exit-code --path proto/kvit; then
  echo "lint-proto: run tools/buf/buf.sh format -w --path proto/kvit" >&2
  exit 1
fi
echo "lint-proto: clean"
