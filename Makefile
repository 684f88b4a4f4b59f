# Every target works on a fresh clone. `make` alone lists them.

GO        ?= go
FUZZTIME  ?= 10s
BENCH     ?= .
KEYS      ?= 1000000
SOAK      ?= 10m
SEED      ?= 0
SAMPLES   ?= 100000

# The second tier: tests whose name ends in More. `make test` runs all others, `make test-more` these,
# in the packages that have some.
MORE     := More$$
MORE_IN   = $(shell grep -rlE --include='*_test.go' '^func (Test|Fuzz|Example)[A-Za-z0-9_]*More[^A-Za-z0-9_]' . | xargs -n 1 dirname | sort -u)
STEP      = @sh .ci/step
# The race detector is off in two packages of other people that take five times as long with it: SQLite,
# translated from C, and scrypt. No package may be added whose object file has functions of another one,
# made from generics (go tool nm): the linker may choose those, and then sees races that are none.
RACE      = -race -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=golang.org/x/crypto/scrypt=-race=false
# The first tier runs four packages at a time: they wait more than they compute. The second has
# fail-overs, which a busy machine does not see as an idle one does.
TEST      = $(GO) test $(RACE) -shuffle=on -count=1 -timeout 10m

.PHONY: help test test-more check bench soak fuzz timing cover vuln servers

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | while IFS='	' read -r target text; do printf '  make %-9s %s\n' "$$target" "$$text"; done

test: servers ## what everybody runs, about 5 minutes: vet, then the first tier with the race detector, on real Redis and PostgreSQL, and in Chromium (.screenshots)
	$(STEP) $(GO) vet ./...
	$(STEP) $(GO) -C internal/tools build -trimpath -o /dev/null tool # outside of the tests' time limit
	$(STEP) env LATCHKEY_SCREENSHOTS='$(CURDIR)/.screenshots' $(TEST) -p 4 -skip '$(MORE)' ./...
	$(STEP) $(GO) test -count=1 -run Allocat ./middleware # the race detector allocates too

test-more: servers ## the second tier, at most 10 minutes: long soaks, old binaries, proxies, replication
	$(STEP) $(TEST) -p 2 -run '$(MORE)' $(MORE_IN)

check: ## formatting, widths and words, vet, staticcheck, and go.mod files that say what is imported
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt -w these:"; echo "$$unformatted"; exit 1; fi
	$(GO) run .ci/house.go
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff
	$(GO) -C internal/tools mod tidy -diff

bench: servers ## every performance target as a table, about 4 minutes (BENCH=regexp, KEYS=1000000); fails when one is missed by more than half
	$(GO) run ./internal/benchtable -only '$(BENCH)' -keys $(KEYS)

soak: servers ## the simulation and its mutations, then five instances on real servers under every fault, for SOAK (10m) each; SEED=n repeats an order
	$(GO) test $(RACE) -count=1 -timeout 0 -v -run '^TestSimulation$$' ./cache -sim.for $(SOAK) -sim.first $(SEED)
	$(GO) test -count=1 -timeout 0 -v -run '^TestMutations$$' ./cache -sim.mutations .
	$(GO) test -count=1 -timeout 0 -v -run '^TestSoak$$' ./internal/soak -soak $(SOAK) -seed $(SEED)

fuzz: ## run every fuzz target for FUZZTIME (10s); all of them, then fail with the names of those that failed
	@GO='$(GO)' sh .ci/fuzz $(FUZZTIME)

timing: ## can the time of a refusal tell an unknown key from a revoked or expired one? (SAMPLES=100000 of each, about a quarter of an hour)
	$(GO) run ./internal/timing -samples $(SAMPLES)

cover: servers ## test coverage over all packages, in cover.out
	$(GO) test -count=1 -timeout 10m -coverpkg=./... -coverprofile=cover.out ./...
	$(GO) tool cover -func=cover.out | tail -n 1

vuln: ## known vulnerabilities in what is called (needs vuln.go.dev)
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...

servers: # install redis-server, PostgreSQL, PgBouncer, Node and Chromium where they are missing and apt-get can
	@sh .ci/install-servers
