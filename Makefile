# The verbs of this repository. `make help` lists them; CI runs the same ones.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all fuzz h2load soak lint lint-deploy release bench bench-feed bench-judge panels audit clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## install what building and testing need and is missing (cmake, a test database in the build folder)
	@scripts/setup.sh

demo: setup ## the customer's example over real sockets; stays up (ONCE=1: stops; MONGODB_URI: your database)
	@ONCE="$(ONCE)" scripts/demo.sh

test: setup ## the core suite: unit, integration, security, configuration, clients, judging, profiles, model, resilience
	cargo test --locked

test-all: test ## everything CI tests: `test`, Node's reading, a real browser, Prometheus, Schemathesis (installs them), `lint-deploy`, `h2load`, `fuzz`
	@scripts/setup.sh all
	cargo test --locked --test node --test browser --test prometheus --test schemathesis
	@scripts/setup.sh deploy
	@scripts/lint_deploy.sh
	@scripts/h2load.sh
	@scripts/fuzz.sh

fuzz: ## every fuzz target for a minute (FUZZ_SECONDS=60), from the seeds in fuzz/corpus; docs/fuzzing.md
	@scripts/setup.sh fuzz
	@scripts/fuzz.sh

h2load: setup ## HTTP/2 by nghttp2's client, 400 streams at once, in peace and through SIGTERM (RELEASE=1: optimised)
	@scripts/setup.sh h2load
	@scripts/h2load.sh

soak: setup ## the feed against its model, through random changes and faults, for HOURS=1 (or SECONDS=)
	@scripts/soak.sh "$(or $(SECONDS),$$(( $(or $(HOURS),1) * 3600 )))"

lint: setup ## formatting, clippy (fuzz targets too), and the judging core built without the server
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	cargo clippy --test browser --test node --test prometheus --test schemathesis --locked -- -D warnings
	cargo check --lib --no-default-features --locked
	@scripts/setup.sh fuzz
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --all-targets --locked --manifest-path fuzz/Cargo.toml --target-dir "$${CARGO_TARGET_DIR:-target}/fuzz" -- -D warnings

lint-deploy: setup ## deploy/: YAML, compose file, manifests, Dockerfile, unit (installs the linters)
	cargo build --locked --bins
	@scripts/setup.sh deploy
	@scripts/lint_deploy.sh

release: setup ## the program as it is shipped, built for the work it does: prints where it is
	@scripts/setup.sh release
	@scripts/release.sh

bench: setup ## the gateway beside HAProxy, nginx and Envoy, as far as they are installed: docs/performance.md (TABLES=..)
	@scripts/setup.sh release
	@scripts/bench_peers.sh $(TABLES)

bench-feed: setup ## what the feed, many apps, failures and floods cost (prints the tables of docs/feed.md and docs/resilience.md)
	cargo bench --locked --bench apps
	cargo bench --locked --bench feed 2>/dev/null
	cargo bench --locked --bench resilience 2>/dev/null

panels: setup ## the pictures of the dashboards in docs/, from three minutes of a gateway under a real Prometheus
	@scripts/setup.sh panels
	cargo test --locked --test prometheus the_dashboards_are_drawn -- --ignored

bench-judge: ## what judging costs, by outcome: time, and instructions (Valgrind); and what counting a request does
	cargo bench --locked --no-default-features --bench judge
	cargo bench --locked --no-default-features --bench instructions
	cargo bench --locked --bench metrics

audit: ## licences, sources and bans of the dependencies (cargo-deny)
	@cargo deny --version >/dev/null 2>&1 || { echo 'cargo-deny is missing: cargo install --locked cargo-deny' >&2; exit 1; }
	cargo deny check bans licenses sources

clean: ## remove everything that was built or downloaded into the build folder
	cargo clean
	rm -rf .demo fuzz/target fuzz/artifacts
