# `make dev` runs the edge and an origin on this machine, `make test` runs all tests, `make deploy` deploys into an account, and
# `make bench-http` measures. Most other targets are steps of these.

PORT ?= 8787
# A folder of documents to serve without an origin; empty for the embedded origin.
ENVIRONMENTS ?=
STATE ?= .wrangler/state
# Folders outside the project: exchanges recorded from a running Flagsmith, and the engines' common cases. Tests report
# missing folders.
RECORDINGS ?= ../shared/recordings
ENGINE_TEST_DATA ?= ../shared/engine-test-data
# Documents for benchmarks; an absolute path, since the benchmarks run in another folder.
BENCH_DOCUMENTS ?= $(abspath ../shared/bench)
export RECORDINGS ENGINE_TEST_DATA BENCH_DOCUMENTS

WASM := wasm32-unknown-unknown
WORKER_BUILD_VERSION := 0.8.7
# The command and the crate must have the same version, so both use the lock file's.
WASM_BINDGEN_VERSION := $(shell awk '/^name = "wasm-bindgen"$$/ { getline; gsub(/"/, "", $$3); print $$3 }' Cargo.lock)

# Otherwise worker-build would download the tools, which no lock file pins and which fails offline.
export WASM_BINDGEN_BIN := $(CURDIR)/.tools/bin/wasm-bindgen
export WASM_OPT_BIN := $(CURDIR)/node_modules/.bin/wasm-opt
export ESBUILD_BIN := $(CURDIR)/node_modules/.bin/esbuild

# Cargo.toml disables this step in worker-build, which would keep the names of functions, a fifteenth of the worker. The
# features are those of workerd; without the list wasm-opt would use more. Functions with one caller are not inlined.
# Inlining made one function of 129 KB, which the first request had to compile whole, and the worker an eleventh larger.
WASM_FEATURES := mutable-globals sign-ext nontrapping-float-to-int bulk-memory multivalue reference-types exception-handling
OPTIMIZE := $(WASM_OPT_BIN) -Oz --strip-debug --one-caller-inline-max-function-size=25 $(WASM_FEATURES:%=--enable-%)

WORKER_BUILD := .tools/worker-build-$(WORKER_BUILD_VERSION)
WASM_BINDGEN := .tools/wasm-bindgen-cli-$(WASM_BINDGEN_VERSION)
NODE_MODULES := node_modules/.package-lock.json
PAGES := $(shell find src/pages src/openapi -type f)
# The sources of the examples in the API's description.
EXCHANGES := $(wildcard fixtures/exchanges/*.jsonl fixtures/admin/*.jsonl)
SOURCES := Cargo.toml Cargo.lock $(filter-out $(PAGES),$(shell find src -type f -not -path 'src/origin/*'))
ORIGIN_SOURCES := Cargo.toml Cargo.lock $(shell find src/core src/origin src/platform -name '*.rs' -o -name Cargo.toml)
BASELINES := constant object parsing
BASELINE_SOURCES := $(wildcard tests/bench/http/baselines/Cargo.* tests/bench/http/baselines/*/Cargo.toml tests/bench/http/baselines/*/src/*)

# A document to publish without an origin, its server keys if there are any, and 1 to publish into the account's KV.
DOC ?=
KEYS ?=
REMOTE ?=

.PHONY: dev deploy publish import-identities export-identities repair-directory import-project export-project build test bench bench-http bench-identities bench-origin bench-streams bench-shards format clippy docs native differential wasm size cost bundle e2e require-rust require-node require-wasm require-python require-chromium

# Without a shell in between, since make passes SIGTERM on to its child. A terminal sends SIGINT and SIGHUP to both.
dev: build
	@exec env PORT='$(PORT)' ENVIRONMENTS='$(ENVIRONMENTS)' STATE='$(STATE)' node scripts/dev.mjs

# Deploys the worker into an account (docs/deployment.md), with ORIGIN=embedded the embedded origin, too. With DRY_RUN=1 it
# only checks what would be uploaded.
DRY_RUN ?=
ORIGIN ?=
deploy: require-node build
	@DRY_RUN='$(DRY_RUN)' ORIGIN='$(ORIGIN)' node scripts/deploy.mjs

# Checks a document with the worker's rules, and writes it into KV.
publish: require-node build
	@DOC='$(DOC)' KEYS='$(KEYS)' REMOTE='$(REMOTE)' STATE='$(STATE)' node scripts/publish.mjs

# Import, export and repair of identities; AUTHORIZATION is an admin's `Authorization` header (docs/identities.md).
EDGE_URL ?= http://127.0.0.1:$(PORT)
export EDGE_URL ENVIRONMENT FILE SOURCE RATE BATCH AUTHORIZATION ORIGIN_URL ORIGIN_AUTHORIZATION PROJECT ORGANISATION IDENTITIES

import-identities: require-node
	@node scripts/import-identities.mjs

export-identities: require-node
	@node scripts/export-identities.mjs

repair-directory: require-node
	@node scripts/repair-directory.mjs

# Import and export of a project with its environments, features, segments and overrides (docs/projects.md).
import-project: require-node
	@ENVIRONMENTS='$(ENVIRONMENTS)' node scripts/import-project.mjs

export-project: require-node
	@node scripts/export-project.mjs

build: require-rust require-node build/index.js build/origin/index.js build/assets.stamp

test: format clippy docs native wasm build size bundle e2e

format: require-rust
	cargo fmt --all --check
	cd tests/bench && cargo fmt --check
	cd tests/fuzz && cargo fmt --check

# Code that no test runs must compile, too: the fuzz targets, without libFuzzer, which is C++ and only needed for
# linking.
clippy: require-wasm
	cargo clippy --all-targets -- -D warnings
	cargo clippy --workspace --target $(WASM) --lib -- -D warnings
	cargo clippy --package flagsmith-edge-worker --target $(WASM) --profile test --lib --test wasm -- -D warnings
	cd tests/bench && cargo clippy --all-targets -- -D warnings
	cd tests/fuzz && CUSTOM_LIBFUZZER_PATH=none/libnone.a cargo clippy -- -D warnings

# Both targets, since each has modules that the other lacks.
docs: export RUSTDOCFLAGS := -D warnings
docs: require-wasm
	cargo doc --no-deps
	cargo doc --workspace --no-deps --target $(WASM)

native: require-rust require-python
	cargo test
	@for folder in '$(ENGINE_TEST_DATA)' '$(RECORDINGS)'; do \
		[ -d "$$folder" ] || echo "NOT RUN: the tests over $$folder, which does not exist"; done
	N=500 scripts/differential.sh

# Evaluation and compilation compared with their peers, on the documents in BENCH_DOCUMENTS. First evaluation on wasm32,
# built like the worker. Then the embedded origin.
BENCH_WASM := tests/bench/target/wasm
bench: require-wasm require-node $(WASM_BINDGEN) $(NODE_MODULES)
	cd tests/bench && cargo build --release --target $(WASM)
	$(WASM_BINDGEN_BIN) --target experimental-nodejs-module --out-dir $(BENCH_WASM) \
		tests/bench/target/$(WASM)/release/flagsmith_edge_worker_bench.wasm
	$(OPTIMIZE) $(BENCH_WASM)/flagsmith_edge_worker_bench_bg.wasm \
		-o $(BENCH_WASM)/flagsmith_edge_worker_bench_bg.wasm
	node tests/bench/wasm.mjs $(abspath $(BENCH_WASM))/flagsmith_edge_worker_bench.js $(BENCH_DOCUMENTS) $(BENCH_WASM)/figures.json
	cd tests/bench && cargo bench

# Random contexts, evaluated here and by Flagsmith's own engine: N of them for each engine, from SEED. Then random admin
# requests to the embedded origin.
differential: require-rust require-python
	scripts/differential.sh

wasm: export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER := $(CURDIR)/.tools/bin/wasm-bindgen-test-runner
wasm: require-wasm require-node $(WASM_BINDGEN)
	cargo test --package flagsmith-edge-worker --target $(WASM) --lib --test wasm

# The budget is slightly above the present size, so that growth is a deliberate decision.
WASM_BUDGET_KIB := 660
size: build
	@node scripts/size.mjs build/index_bg.wasm $(WASM_BUDGET_KIB)

# Counts the tables of docs/costs.md again.
cost: build
	@node scripts/cost.mjs

# The uploads of `make deploy ORIGIN=embedded`, without an account.
bundle: build
	@DRY_RUN=1 ORIGIN=embedded node scripts/deploy.mjs

# FILES is the number of files at a time. Each starts its own runtime, and waits more than it computes. The environment of
# Python is made before the tests, since two files share it.
FILES ?= 4
e2e: build require-python require-chromium
	@scripts/venv.sh .venv-schemathesis tests/openapi/requirements.txt
	node tests/e2e/run.mjs $(FILES)

# ROWS, SECONDS, ROUNDS and FORMAT are explained in tests/bench/http/README.md.
bench-http: build $(BASELINES:%=tests/bench/http/baselines/%/build/index.js)
	@node tests/bench/http/main.mjs

# Admin requests at 1,000, 10,000 and COUNT identities (100,000), each request SAMPLES times (200).
bench-identities: build
	@node tests/bench/identities.mjs

# The edge with the embedded origin and a large project.
bench-origin: build
	@node tests/bench/origin.mjs

# STREAMS, CHANGES and IDLE are explained in the file.
bench-streams: build
	@node tests/bench/streams.mjs

# ISOLATES, PLACES and ENVIRONMENTS_COUNT are explained in the file.
bench-shards: require-node
	@node tests/bench/shards.mjs

tests/bench/http/baselines/%/build/index.js: $(BASELINE_SOURCES) $(WORKER_BUILD) $(WASM_BINDGEN) $(NODE_MODULES) | require-wasm
	cd tests/bench/http/baselines/$* && $(CURDIR)/.tools/bin/worker-build --release
	@touch $@

# A panic's report contains a path. The part before a crate's name, which belongs to this machine, is removed.
REMAP := --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)/registry/src/=

# The worker, and the embedded origin.
build/index.js: export RUSTFLAGS := $(REMAP)
build/index.js: $(SOURCES) $(WORKER_BUILD) $(WASM_BINDGEN) $(NODE_MODULES) | require-wasm
	.tools/bin/worker-build --release
	$(OPTIMIZE) build/index_bg.wasm -o build/index_bg.wasm
	@touch $@

build/origin/index.js: export RUSTFLAGS := $(REMAP)
build/origin/index.js: $(ORIGIN_SOURCES) $(WORKER_BUILD) $(WASM_BINDGEN) $(NODE_MODULES) | require-wasm
	cd src/origin && $(CURDIR)/.tools/bin/worker-build --release --out-dir ../../build/origin
	$(OPTIMIZE) build/origin/index_bg.wasm -o build/origin/index_bg.wasm
	@touch $@

# The static files: pages, and their parts from npm. The WebAssembly does not contain them. The origin's are in build/origin,
# so they are collected again if that folder was made again.
build/assets.stamp: build/index.js build/origin/index.js scripts/figures.mjs $(PAGES) $(EXCHANGES) fixtures/origin/shapes.json Cargo.toml scripts/assets.mjs \
		scripts/openapi.mjs scripts/origin_openapi.mjs $(NODE_MODULES) | require-node
	node scripts/assets.mjs build/assets
	node scripts/figures.mjs build/index_bg.wasm $(WASM_BUDGET_KIB) build/assets/edge/build.json
	@touch $@

# The files named by version are stamps. cargo keeps an installed tool of the right version.
$(WORKER_BUILD): | require-rust
	cargo install --root .tools worker-build --version $(WORKER_BUILD_VERSION)
	@touch $@

# Without --locked, since the versions in the tool's own lock file no longer resolve.
$(WASM_BINDGEN): | require-rust
	cargo install --root .tools wasm-bindgen-cli --version $(WASM_BINDGEN_VERSION)
	@touch $@

$(NODE_MODULES): package.json package-lock.json .npmrc | require-node
	npm ci
	@touch $@

require-rust:
	@scripts/require rust

require-node:
	@scripts/require node

require-python:
	@scripts/require python

require-chromium:
	@scripts/require chromium

require-wasm: require-rust
	@scripts/require wasm
