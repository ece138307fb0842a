#!/usr/bin/env bash
# Runs every fuzz target of some packages, each for a bounded time: fuzz.sh 10s ./...
set -euo pipefail
time=$1
shift

targets=0
for package in $(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' "$@"); do
  for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    echo "fuzz: $package $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package"
    targets=$((targets + 1))
  done
done
echo "fuzz: $targets targets, each for $time, found nothing"
