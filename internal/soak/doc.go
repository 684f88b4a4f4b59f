// Package soak holds a test and no code: five instances of a program that uses Latchkey (folder
// instance), each in a process of its own, on real Redis and real PostgreSQL, under load, while
// everything that they stand on is killed, hung, wiped, put back in time and cut off. One process,
// the test, sends all requests, holds the only clock, and judges every answer by the guarantee of
// docs/consistency.md:
//
//   - never 200 for a key whose revoke had returned success before the request began, and never a
//     version of a key that is older than a change that had returned by then;
//   - never 401 or 403 for a key whose creation had returned, until its revoke begins;
//   - what cannot be decided is 503 with Retry-After; an instance that is neither killed nor
//     stopped never answers anything else, and always answers.
//
// Run it:
//
//	go test ./internal/soak                        # each fault once, a minute or two
//	make soak SOAK=10m                            # all of them, in an order made from a seed
//	make soak SOAK=10m SEED=4711                  # that order again
//	go test ./internal/soak -run '^$' -bench .     # what a revoke costs
//	go test ./internal/soak -run 33  # rolling deploys, beside programs of version 1
//
// Start with judge_test.go, then faults_test.go.
package soak
