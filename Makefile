# `make` lists what there is. Everything here is a plain command that also
# works by hand; only the versions and the order are worth keeping.

export PATH := $(PATH):/usr/local/go/bin

GO         ?= go
# Tests build the same programs without -trimpath; CI clears it to compile
# the dependencies once.
BUILDFLAGS ?= -trimpath
VERSION    := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS    := -X main.version=$(VERSION)
SEEDS      ?= 100000
FUZZTIME   ?= 5m

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install what is missing on this Debian machine; needs no network once done
	script/setup

.PHONY: build
build: setup ## build segue, athlete-ally (two releases), lekiwi, nats-server and process-compose into bin/
	$(GO) build $(BUILDFLAGS) -ldflags '$(LDFLAGS)' -o bin/segue ./cmd/segue
	$(GO) build $(BUILDFLAGS) -o bin/athlete-ally ./examples/athlete-ally
	$(GO) build $(BUILDFLAGS) -o bin/lekiwi ./examples/lekiwi
	$(GO) build $(BUILDFLAGS) -ldflags '-X main.release=phase2-migration' -o bin/athlete-ally-phase2 ./examples/athlete-ally

.PHONY: demo
demo: build ## bring a live system up, migrate it under load, and count every message
	bin/athlete-ally demo

.PHONY: demo-lekiwi
demo-lekiwi: build ## the same with a fleet of 2,000 robots behind NGINX, whose monolith becomes services: about 4 minutes
	bin/lekiwi demo

.PHONY: test
test: setup ## set up and pass the tests
	$(GO) test -p 3 $(TESTFLAGS) ./... # they mostly wait for servers

.PHONY: race
race: setup ## the tests under the race detector, with fewer simulations
	script/race $(TESTFLAGS)

.PHONY: lint
lint: ## golangci-lint (its first build takes minutes)
	script/setup --lint
	bin/golangci-lint run ./...

.PHONY: fmt
fmt: ## format all Go code
	script/setup --lint
	bin/golangci-lint fmt ./...

.PHONY: schema
schema: build ## write schema/segue-v1.schema.json from the built-in drivers
	bin/segue schema > schema/.new && mv schema/.new schema/segue-v1.schema.json

.PHONY: soak
soak: setup ## long proofs whole, long simulations and fuzzing: SEEDS=100000 FUZZTIME=5m
	SEGUE_SOAK=1 $(GO) test -p 1 -timeout 0 ./acceptance/... ./cmd/segue ./driver/... ./edge/... ./examples/...
	$(GO) test ./runner/sim -timeout 0 -seeds $(SEEDS)
	$(GO) test ./runbook -run '^$$' -fuzz '^FuzzParse$$' -fuzztime $(FUZZTIME)
	$(GO) test ./expr -run '^$$' -fuzz '^FuzzExpression$$' -fuzztime $(FUZZTIME)

.PHONY: bench
bench: setup ## benchmarks of the journal, the language and the expressions
	$(GO) test -run '^$$' -bench . -benchmem ./journal/sqlite ./runbook ./expr

.PHONY: bench-handover
bench-handover: setup ## handovers of live subjects under load, beside plain moves: about 12 minutes
	mkdir -p dist
	SEGUE_HANDOVER_RUNS=$(CURDIR)/dist/handover.jsonl $(GO) test ./driver/nats -run '^$$' -bench '^BenchmarkHandover$$' -benchtime 1x -timeout 25m
	@$(GO) run ./script/handover < dist/handover.jsonl

.PHONY: bench-decisions
bench-decisions: setup ## simulated canaries: how often gate and guard decide wrongly, against the peers' plain rule (minutes)
	mkdir -p dist
	SEGUE_DECISIONS=$(CURDIR)/dist/decisions.json $(GO) test ./driver/prometheus -run '^TestDecisions$$' -count 1 -timeout 0 -v
	@$(GO) run ./script/lastline decisions dist/decisions.json false_promotions=%.1f%% false_rollbacks=%.1f%% \
		plain_false_promotions=%.1f%% plain_false_rollbacks=%.1f%% seconds_to_rollback=%.1f

.PHONY: bench-edge
bench-edge: setup ## how soon NGINX and HAProxy serve a new share, what fails meanwhile, and what a shadow costs: about 4 minutes
	mkdir -p dist
	rm -f dist/edge.json
	SEGUE_EDGE_BENCH=$(CURDIR)/dist/edge.json $(GO) test ./edge/e2e -run '^TestBenchEdge$$' -count 1 -timeout 20m
	@$(GO) run ./script/lastline edge dist/edge.json nginx_actuation_ratio=%.3f nginx_failed_requests=%.0f \
		haproxy_failed_requests=%.0f shadow_p99_ratio=%.3f

.PHONY: bench-lekiwi
bench-lekiwi: build ## Lekiwi's legacy and new system at one load, 10,000 watchers, 10,000 heartbeats a second, crashes: about 5 minutes
	mkdir -p dist
	rm -f dist/lekiwi.json
	SEGUE_LEKIWI_BENCH=$(CURDIR)/dist/lekiwi.json $(GO) test ./examples/lekiwi/e2e -run '^TestBenchLekiwi$$' -count 1 -timeout 20m -v
	@$(GO) run ./script/lastline lekiwi dist/lekiwi.json p99_ms=%.1f ws_connections=%.0f fanout_p99_ms=%.1f \
		heartbeats_per_s=%.0f speedup_vs_legacy=%.2f

.PHONY: bench-rollback
bench-rollback: setup ## how soon a rollback follows the first errors of the new system, and what clients see of them: about 2 minutes
	mkdir -p dist
	rm -f dist/rollback.json
	SEGUE_ROLLBACK_BENCH=$(CURDIR)/dist/rollback.json $(GO) test ./acceptance/lekiwi -run '^TestBenchRollback$$' -count 1 -timeout 20m -v
	@$(GO) run ./script/lastline rollback dist/rollback.json seconds_to_zero=%.2f actuation_ms=%.0f client_errors_after_detection=%.0f

.PHONY: bench-data
bench-data: setup ## copies of 5 M rows beside psql's, their comparison beside an md5 of both, robots over HTTP beside a bare loop: about 8 minutes, SEGUE_DATA_ROWS=200000 tries it
	mkdir -p dist
	rm -f dist/data.json
	SEGUE_DATA_BENCH=$(CURDIR)/dist/data.json $(GO) test ./datasync/e2e -run '^TestBenchData$$' -count 1 -timeout 30m -v
	SEGUE_DATA_BENCH=$(CURDIR)/dist/data.json $(GO) test ./integrity/e2e -run '^TestBenchEqual$$' -count 1 -timeout 30m -v
	@$(GO) run ./script/lastline data dist/data.json copy_ratio=%.2f verify_ratio=%.2f diff_found=%.0f/100 http_ratio=%.2f peak_mib=%.0f

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist
