package store_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

func TestPepperCounts(t *testing.T) {
	b := newBench(t, store.Options{})
	old, current := sealer(t, pepper1), sealer(t, pepper2, pepper1)
	under := func(s *store.Sealer) *store.Keys {
		keys, err := store.Options{Sealer: s, FlushInterval: -1}.New(b.rows)
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	counts := func(s *store.Sealer, want ...store.PepperCount) {
		t.Helper()
		got, err := under(s).PepperCounts(b.ctx)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	makes := func(s *store.Sealer, n int) (last store.Made) {
		t.Helper()
		for range n {
			made, err := under(s).Create(b.ctx, store.NewKey{Type: store.Secret})
			if err != nil {
				t.Fatal(err)
			}
			last = made
		}
		return last
	}
	id1, id2 := old.PepperID(), current.PepperID()

	counts(nil)
	counts(current, store.PepperCount{PepperID: id2, Current: true, Configured: true}, store.PepperCount{PepperID: id1, Configured: true})
	makes(nil, 2)
	altered := makes(old, 600) // more than a page
	makes(current, 3)
	counts(current,
		store.PepperCount{PepperID: id2, Current: true, Configured: true, Keys: 3},
		store.PepperCount{PepperID: id1, Configured: true, Keys: 600},
		store.PepperCount{Keys: 2, Refused: 2})
	counts(nil, ascending(store.PepperCount{PepperID: id1, Keys: 600}, store.PepperCount{PepperID: id2, Keys: 3}, store.PepperCount{Keys: 2})...)

	t.Run("a row that was altered is counted as refused", func(t *testing.T) {
		if _, err := b.rows.Store.Change(b.ctx, store.Actor{}, func(tx store.Tx) error {
			r, err := b.rows.Get(b.ctx, altered.Key.ID)
			if err != nil {
				return err
			}
			r.Key.Scopes = []string{"more"}
			return tx.Update(b.ctx, r, store.Event{Kind: store.Updated})
		}); err != nil {
			t.Fatal(err)
		}
		counts(old,
			store.PepperCount{PepperID: id1, Current: true, Configured: true, Keys: 600, Refused: 1},
			store.PepperCount{PepperID: id2, Keys: 3, Refused: 3},
			store.PepperCount{Keys: 2, Refused: 2})
	})
	t.Run("a store out of reach is an error", func(t *testing.T) {
		ctx, cancel := context.WithCancel(b.ctx)
		cancel()
		if _, err := under(old).PepperCounts(ctx); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%v, want ErrUnavailable", err)
		}
	})
}

// ascending returns the counts with the two that have a pepper in the order of their ids.
func ascending(counts ...store.PepperCount) []store.PepperCount {
	if counts[0].PepperID > counts[1].PepperID {
		counts[0], counts[1] = counts[1], counts[0]
	}
	return counts
}
