# `make help` lists the targets. Everything works from a fresh clone: set-up comes first by itself.

CARGO_FLAGS ?= --locked
DEMO_DATA   ?= data/demo

.DEFAULT_GOAL := help
.PHONY: help setup demo run test faults traces lint helm-check bench bench-ner bench-pii bench-decode fuzz-decode bench-transcribe samples clean-data

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing and fetch programs and models into the cache
	@deploy/setup.sh

demo: setup ## Process the sample calls, show what comes back, exit
	cargo build $(CARGO_FLAGS)
	rm -rf $(DEMO_DATA)
	cargo run $(CARGO_FLAGS) --quiet -- demo --data $(DEMO_DATA) --listen 127.0.0.1:0

run: setup ## The same, left running on http://127.0.0.1:8080
	cargo build $(CARGO_FLAGS)
	rm -rf $(DEMO_DATA)
	cargo run $(CARGO_FLAGS) --quiet -- demo --stay --data $(DEMO_DATA)

test: setup ## Unit, broker and end-to-end tests
	cargo test $(CARGO_FLAGS) --workspace

faults: setup ## Faults of every kind, for long [SEED SEEDS CLUSTER_SEEDS RESTARTS SECONDS KINDS]
	COLLOQUY_FAULTS=long \
	$(if $(SEED),COLLOQUY_FAULT_SEED=$(SEED)) \
	$(if $(SEEDS),COLLOQUY_FAULT_SEEDS=$(SEEDS)) \
	$(if $(CLUSTER_SEEDS),COLLOQUY_FAULT_CLUSTER_SEEDS=$(CLUSTER_SEEDS)) \
	$(if $(RESTARTS),COLLOQUY_FAULT_RESTARTS=$(RESTARTS)) \
	$(if $(SECONDS),COLLOQUY_FAULT_SECONDS=$(SECONDS)) \
	$(if $(KINDS),COLLOQUY_FAULT_KINDS=$(KINDS)) \
	cargo test $(CARGO_FLAGS) --workspace --test faults --test kill_broker -- --nocapture --include-ignored

traces: setup ## Check and show the trace of one conversation, in a Jaeger where there is one
	@CARGO_FLAGS="$(CARGO_FLAGS)" deploy/traces.sh

lint: setup ## Format, clippy, licences and sources of dependencies
	cargo fmt --all --check
	cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings
	deploy/lint-dependencies.sh

helm-check: ## Check the chart, the image's file and the compose files [COLLOQUY_BIN=target/debug/colloquy runs them, too]
	deploy/kubernetes/check.sh

bench: setup ## Benchmarks: recognizing entities, facts per second
	cargo bench $(CARGO_FLAGS) --bench recognize
	COLLOQUY_PEER_PYTHON=$$(platform/bus/benches/peers/setup.sh) \
	cargo bench $(CARGO_FLAGS) -p colloquy-bus --bench throughput

bench-transcribe: setup ## Transcription beside faster-whisper [ARGS="--models base --repeat 5 --json FILE"]
	COLLOQUY_PEER_PYTHON=$$(benches/peers/setup.sh) \
	cargo bench $(CARGO_FLAGS) --profile dev --workspace --bench transcribe -- $(ARGS)

bench-ner: setup ## Named entities beside spaCy, on one thread each
	COLLOQUY_PEER_PYTHON=$$(platform/ner/benches/peers/setup.sh) \
	cargo bench $(CARGO_FLAGS) --workspace --bench speed

bench-pii: setup ## Entities beside Presidio, by type [ARGS="--count 1500 --seed 1 --json FILE"]
	cargo build $(CARGO_FLAGS) --workspace
	$$(benches/pii/setup.sh) benches/pii/compare.py $${CARGO_TARGET_DIR:-target}/debug/colloquy $(ARGS)

bench-decode: setup ## Decoding beside ffmpeg, which must be installed [ARGS="mp3 opus"]
	cargo bench $(CARGO_FLAGS) --workspace --bench decode -- $(ARGS)

fuzz-decode: setup ## Decode damaged recordings, for long [SEED SECONDS, or CASE for one]
	cargo test $(CARGO_FLAGS) --workspace --test mutations --no-run
	ulimit -v 6291456; \
	COLLOQUY_FUZZ_SECONDS=$(or $(SECONDS),600) COLLOQUY_FUZZ_SEED=$(or $(SEED),1) \
	$(if $(CASE),COLLOQUY_FUZZ_CASE=$(CASE)) \
	cargo test $(CARGO_FLAGS) --workspace --test mutations -- --nocapture

samples: ## Speak the sample calls again (needs voices; see deploy/samples/README.md)
	python3 deploy/samples/make.py
