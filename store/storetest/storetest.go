// Package storetest is the conformance suite of the store.Store contract. Every implementation runs
// it:
//
//	func TestContract(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Store { return mystore.Open(…) })
//	}
package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// Run tests that the stores which open returns fulfil the contract of store.Store. open is called
// many times, also from parallel subtests, and must return a new, empty store each time. Run closes
// it.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*testing.T, store.Store)
	}{
		{"every field of a record survives, in Get, List, Find and Lookup, cold and warm", everyField},
		{"nil and empty lists are different", nilAndEmpty},
		{"what a change wrote is seen by the lookup that follows it", readYourWrites},
		{"an unknown token is an answer and not an error", unknownToken},
		{"legacy keys are found by their redacted form until they have a lookup id", legacyCandidates},
		{"a change that fails or has no event leaves no trace", rollback},
		{"ids, lookup ids and public tokens are unique", conflicts},
		{"changing what is not there is not found", notFound},
		{"events are numbered without a gap and have their actor and details", events},
		{"concurrent changes and rollbacks leave no gap in the feed", gapFree},
		{"a change of many keys is one block of the feed", blockOfEvents},
		{"every event has a tag of its own, and the head has its event's", tags},
		{"pruning does not remove the newest event and deletions", prune},
		{"listing filters, orders and pages as the memory store does", queries},
		{"a bad query is refused", badQueries},
		{"a read of more than MaxBytes is refused, and works in smaller pages", boundedReads},
		{"last use only moves forward and is no change", touch},
		{"members join, lapse and leave", members},
		{"a change raises the level, never above a member's, and lower members can no longer join", level},
		{"members acknowledge existing events only", acknowledgements},
		{"of concurrent rolls and revokes exactly one wins", rollAndRevoke},
		{"records are copies", copies},
		{"a context that has ended is not an answer about a key", contextOver},
		{"a closed store returns ErrClosed", closed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			t.Cleanup(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				if err := s.Close(ctx); err != nil && !errors.Is(err, store.ErrClosed) {
					t.Errorf("Close: %v", err)
				}
			})
			test.run(t, s)
		})
	}
}

// base is a time in whole milliseconds, the resolution of stores.
var base = time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC)

// within returns a context that bounds one test.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// eventually polls until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

// plain returns a small record. Records differ by n.
func plain(n int) *store.Record {
	r := &store.Record{Key: store.Key{
		ID: fmt.Sprintf("apk_%026d", n), Type: store.Secret, Title: fmt.Sprintf("key %d", n), Redacted: fmt.Sprintf("sk_%03d***end", n),
		CreatedAt: store.TimeOf(base), UpdatedAt: store.TimeOf(base), Version: 1,
	}}
	r.Key.LookupID = lookupID(n)
	return r
}

func lookupID(n int) store.LookupID {
	return store.LookupID{0: 1, 1: byte(n >> 16), 2: byte(n >> 8), 3: byte(n), 31: 7}
}

func event(kind store.Kind) store.Event { return store.Event{Kind: kind, Version: 1, At: base} }

// insert adds records in one change.
func insert(t *testing.T, s store.Store, records ...*store.Record) store.Change {
	t.Helper()
	return change(t, s, func(ctx context.Context, tx store.Tx) error {
		for _, r := range records {
			if err := tx.Insert(ctx, r, event(store.Created)); err != nil {
				return err
			}
		}
		return nil
	})
}

// change runs fn in a change. If that fails, the test fails.
func change(t *testing.T, s store.Store, fn func(context.Context, store.Tx) error) store.Change {
	t.Helper()
	ctx := within(t)
	c, err := s.Change(ctx, store.Actor{ID: "user_1", RequestID: "req-1"}, func(tx store.Tx) error { return fn(ctx, tx) })
	if err != nil {
		t.Fatalf("Change: %v", err)
	}
	return c
}

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func ids(records []*store.Record) string {
	var list []string
	for _, r := range records {
		list = append(list, strings.TrimLeft(strings.TrimPrefix(r.Key.ID, "apk_"), "0"))
	}
	return strings.Join(list, " ")
}
