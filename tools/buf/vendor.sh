#!/usr/bin/env bash
# Writes proto/third_party/buf/validate/validate.proto anew from the pinned Go module. Needed only when its version moves.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
module=buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go

pinned() { (cd "$1" && GOWORK=off go list -m -f '{{.Version}}' "$module"); }
ours=$(pinned "$root")
tools=$(pinned "$root/tools/buf")
if [[ "$ours" != "$tools" ]]; then
  echo "vendor: $module is $ours in go.mod and $tools in tools/buf/go.mod; make them equal" >&2
  exit 1
fi

target=$root/proto/third_party/buf/validate/validate.proto
mkdir -p "$(dirname "$target")"
(cd "$root/tools/buf" && go run ./protovalidate) >"$target.new"
mv "$target.new" "$target"
echo "vendor: wrote ${target#"$root"/} ($ours)"
