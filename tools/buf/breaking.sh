#!/usr/bin/env bash
# Fails when proto/ breaks clients of the base branch: main, or what KVIT_BREAKING_AGAINST names.
# Where there is no base, or it has no protos yet, there is nothing to break.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"

base=
for candidate in "${KVIT_BREAKING_AGAINST:-main}" "origin/${KVIT_BREAKING_AGAINST:-main}"; do
  if git rev-parse --quiet --verify "$candidate^{commit}" >/dev/null; then
    base=$candidate
    break
  fi
done
if [[ -z $base ]] || ! git cat-file -e "$base:buf.yaml" 2>/dev/null || ! git cat-file -e "$base:proto" 2>/dev/null; then
  echo "breaking: no protos in ${base:-main} yet, nothing to compare with"
  exit 0
fi

before=$(mktemp -d)
trap 'rm -rf "$before"' EXIT
git archive "$base" buf.yaml proto | tar -x -C "$before"
tools/buf/buf.sh breaking --against "$before"
echo "breaking: nothing that $base promises is broken"
