# Goshawk's build. `make` alone prints the targets.

CLANG      ?= clang-19
LLVM_STRIP ?= llvm-strip-19
GO         ?= go
BENCH      ?= .
VM_KERNELS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/goshawk/kernels

# go's own download directory on a machine where PATH does not name it.
export PATH := $(PATH):/usr/local/go/bin

BPF_CFLAGS := -O2 -g -Wall -Werror

.DEFAULT_GOAL := help
.PHONY: run build test test-bpf test-vm generate lint bench bench-exec clean help

run: build ## build, and run Goshawk with its demo services (asks sudo for root)
	exec bin/goshawk up --demo

build: ## build bin/goshawk, static and stripped
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bin/goshawk ./cmd/goshawk

test: ## install what the tests need, run all of them, say what was skipped and why
	@GO='$(GO)' .ci/test

test-bpf: ## run the tests that load BPF programs; fails where they cannot run
	@GO='$(GO)' .ci/test --bpf

test-vm: ## boot other kernels in QEMU and run Goshawk there: five minutes, 300 MB to download at first
	.ci/install test/vm/packages
	test/vm/kernels '$(VM_KERNELS)'
	$(GO) vet -tags vm ./test/vm/...
	GOSHAWK_VM_KERNELS='$(VM_KERNELS)' $(GO) test -tags vm -count=1 -v -timeout 60m ./test/vm

generate: ## compile the BPF programs and everything else that is generated (needs clang-19, libbpf-dev)
	BPF2GO_CC='$(CLANG)' BPF2GO_STRIP='$(LLVM_STRIP)' BPF2GO_CFLAGS='$(BPF_CFLAGS)' $(GO) generate ./...

lint: ## gofmt, go vet, staticcheck
	@GO='$(GO)' .ci/lint

bench: ## run the Go benchmarks; BENCH=regexp chooses
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

bench-exec: build ## measure the exec probe (needs root); SCENARIO=name chooses, docs/benchmarks.md explains
	$(GO) run ./test/bench $(BENCH_FLAGS) $(SCENARIO)

clean: ## remove what the build made
	rm -rf bin dist

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
