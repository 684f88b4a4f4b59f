package sqlite_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/internal/sqldb/sqldbtest"
)

// The driver parses a statement that is not prepared each time, which takes longer than all the
// rest of a lookup.
func TestLookupsArePrepared(t *testing.T) {
	ctx := context.Background()
	prepared := func(sent []string) (n int) {
		for _, s := range sent {
			if s == "PREPARE" {
				n++
			}
		}
		return n
	}
	t.Run("once for each connection", func(t *testing.T) {
		db, log := sqldbtest.Open(t, "sqlite", dsn(t))
		db.SetMaxOpenConns(1)
		s := open(t, db)
		log.Take()
		for range 100 {
			if _, err := s.Lookup(ctx, sqldbtest.LookupID(1), ""); err != nil {
				t.Fatal(err)
			}
		}
		sent := log.Take()
		if n := prepared(sent); n != 1 || len(sent) != 101 {
			t.Errorf("prepared %d times, sent %d", n, len(sent))
		}
	})
	t.Run("not when the store is closed", func(t *testing.T) {
		for range 20 {
			db, log := sqldbtest.Open(t, "sqlite", dsn(t))
			db.SetMaxOpenConns(4)
			s := open(t, db)
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					for {
						if _, err := s.Lookup(ctx, sqldbtest.LookupID(1), ""); err != nil {
							if !errors.Is(err, store.ErrUnavailable) {
								t.Errorf("got %v", err)
							}
							return
						}
					}
				})
			}
			if err := errors.Join(s.Close(ctx), s.Close(ctx)); err != nil {
				t.Errorf("close: %v", err)
			}
			all.Wait()
			log.Take()
			if _, err := s.Lookup(ctx, sqldbtest.LookupID(1), ""); !errors.Is(err, store.ErrClosed) {
				t.Errorf("got %v", err)
			}
			if sent := log.Take(); slices.Contains(sent, "PREPARE") {
				t.Errorf("sent %q", sent)
			}
		}
	})
}
