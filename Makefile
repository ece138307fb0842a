# make help lists what there is to do. Everything runs from a clean clone with Go, Node and git.
SHELL := /bin/bash
LINT := go tool -modfile=tools/go.mod golangci-lint
CHECK := bin/check
# What make test-go and make fuzz look at, and for how long each fuzz target runs.
PKG ?= ./...
FUZZTIME ?= 10s

.DEFAULT_GOAL := help
.PHONY: help run build test test-go ci generate check-generate lint lint-go lint-proto fmt bench fuzz docs hooks $(CHECK)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## run the server: SQLite, a demo merchant, nothing to set
	@echo "building, about a minute the first time ..." && go build -o bin/server ./server
	@exec bin/server

build: ## build bin/server and bin/kvit
	@go build -o bin/server ./server
	@go build -o bin/kvit ./clients/kvit

test: $(CHECK) ## everything that must hold: generated code, linters, all tests with real servers
	@$(CHECK)

test-go: $(CHECK) ## only the Go tests of PKG (./...), with real servers
	@$(CHECK) test $(PKG)

ci: ## what CI runs
	@.ci/run

generate: ## write gen/ and the TypeScript client from proto/
	@tools/buf/generate.sh

check-generate: ## fail when gen/ is not what proto/ generates
	@tools/buf/check-generate.sh

lint: lint-proto lint-go ## all linters

lint-go:
	@$(LINT) run ./...
	@cd tools && go tool golangci-lint run ./...

lint-proto:
	@tools/buf/lint.sh
	@tools/buf/breaking.sh

fmt: ## format Go and protos
	@$(LINT) fmt ./...
	@cd tools && go tool golangci-lint fmt ./...
	@tools/buf/buf.sh format -w --path proto/kvit

bench: $(CHECK) ## measure against yardsticks of the same run, print one table
	@$(CHECK) run go run ./server/bench

fuzz: ## run every fuzz target of PKG for FUZZTIME (10s)
	@tools/fuzz.sh $(FUZZTIME) $(PKG)

docs: ## write the reference pages that come from code
	@go test ./server/config -run Reference -update

hooks: ## let git run the checks of .githooks before commits and pushes
	@git config core.hooksPath .githooks

$(CHECK):
	@go build -C tools -o ../$@ ./check
