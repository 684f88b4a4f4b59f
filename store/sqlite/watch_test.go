package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/internal/sqldb/sqldbtest"
)

// An idle program reads nothing, and hears of a change of another program all the same.
func TestWatch(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.db")
	db, log := sqldbtest.Open(t, "sqlite", file+"?_pragma=busy_timeout(5000)")
	s := open(t, db)
	insert := func(n int, into store.Store) {
		t.Helper()
		_, err := into.Change(t.Context(), store.Actor{}, func(tx store.Tx) error {
			return tx.Insert(t.Context(), sqldbtest.Record(n), sqldbtest.Event(store.Created))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	insert(1, s)

	ctx, cancel := context.WithCancel(t.Context())
	heads, done := make(chan int64, 10), make(chan error, 1)
	go func() { done <- s.Watch(ctx, func(head int64) { heads <- head }) }()
	await := func(want int64) {
		t.Helper()
		select {
		case head := <-heads:
			if head != want {
				t.Fatalf("the head is %d, want %d", head, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("head %d was not noticed", want)
		}
	}
	await(1)
	reads := func() int {
		return len(slices.DeleteFunc(log.Take(), func(sent string) bool { return sent == "PREPARE" }))
	}
	reads()
	for n, deadline := 0, time.Now().Add(1500*time.Millisecond); n < 2; n += reads() { // well within 2 s of the write
		if time.Sleep(10 * time.Millisecond); time.Now().After(deadline) {
			t.Fatal("files that have just been written are believed")
		}
	}
	for _, path := range []string{file, file + "-wal"} {
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(50 * time.Millisecond) // until that has been noticed
	reads()
	time.Sleep(300 * time.Millisecond)
	if n := reads(); n > 0 {
		t.Errorf("idle, it sent %d statements", n)
	}
	insert(2, open(t, pool(t, file+"?_pragma=busy_timeout(5000)")))
	await(2)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Watch: %v", err)
	}
}
