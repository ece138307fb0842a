#!/usr/bin/env bash
# Writes the files of proto/third_party anew from the pinned Go modules. Needed only when their versions move.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

pinned() { (cd "$1" && GOWORK=off go list -m -f '{{.Version}}' "$2"); }
vendor() {
  local module=$1 file=$2 ours tools
  ours=$(pinned "$root" "$module")
  tools=$(pinned "$root/tools/buf" "$module")
  if [[ "$ours" != "$tools" ]]; then
    echo "vendor: $module is $ours in go.mod and $tools in tools/buf/go.mod; make them equal" >&2
    exit 1
  fi
  local target=$root/proto/third_party/$file
  mkdir -p "$(dirname "$target")"
  (cd "$root/tools/buf" && go run ./protovalidate "$file") >"$target.new"
  mv "$target.new" "$target"
  echo "vendor: wrote ${target#"$root"/} ($ours)"
}

vendor buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go buf/validate/validate.proto
vendor google.golang.org/genproto/googleapis/rpc google/rpc/error_details.proto
