package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

func TestAKeyIsRolledOnce(t *testing.T) {
	const hour = time.Hour
	grace := store.RollOptions{Grace: hour}
	rolled := func(b *bench) (old, next store.Made) {
		b.Helper()
		old = b.create(store.NewKey{Type: store.Secret, Title: "erp"})
		next, err := b.keys.Roll(b.ctx, old.Key.ID, grace)
		if err != nil {
			b.Fatal(err)
		}
		return old, next
	}
	roll := func(b *bench, id string, o store.RollOptions) store.Made {
		b.Helper()
		made, err := b.keys.Roll(b.ctx, id, o)
		if err != nil {
			b.Fatal(err)
		}
		return made
	}
	refused := func(b *bench, id string, o store.RollOptions, names string) {
		b.Helper()
		if _, err := b.keys.Roll(b.ctx, id, o); !errors.Is(err, store.ErrNotAllowed) || !strings.Contains(err.Error(), names) {
			b.Errorf("%v, want a refusal that names %s", err, names)
		}
	}
	alive := func(b *bench) (ids []string) {
		b.Helper()
		all, err := b.keys.List(b.ctx, store.Query{})
		if err != nil {
			b.Fatal(err)
		}
		for _, key := range all {
			if key.Check(b.clock.Now()) == nil {
				ids = append(ids, key.ID)
			}
		}
		return ids
	}

	t.Run("the second roll names the successor and makes nothing", func(t *testing.T) {
		b := newBench(t, store.Options{})
		old, next := rolled(b)
		refused(b, old.Key.ID, grace, next.Key.ID)
		refused(b, old.Key.ID, store.RollOptions{}, next.Key.ID)
		if got := alive(b); len(got) != 2 {
			t.Errorf("alive: %v", got)
		}
	})
	t.Run("the event of the old key carries the successor's id", func(t *testing.T) {
		b := newBench(t, store.Options{})
		old, next := rolled(b)
		events, err := b.keys.Events(b.ctx, store.EventQuery{KeyID: old.Key.ID, Kind: store.Revoked})
		if err != nil || len(events) != 1 || events[0].Details["successor"] != next.Key.ID {
			t.Errorf("%+v, %v", events, err)
		}
	})
	t.Run("it works when the successor is dead", func(t *testing.T) {
		for name, end := range map[string]func(b *bench, id string) error{
			"revoked": func(b *bench, id string) error { _, err := b.keys.Revoke(b.ctx, id); return err },
			"deleted": func(b *bench, id string) error {
				if _, err := b.keys.Revoke(b.ctx, id); err != nil {
					return err
				}
				return b.keys.Delete(b.ctx, id)
			},
			"expired": func(b *bench, id string) error {
				soon := b.clock.Now().Add(time.Second)
				_, err := b.keys.Update(b.ctx, id, store.Patch{ExpiresAt: &soon})
				b.clock.advance(time.Second)
				return err
			},
		} {
			b := newBench(t, store.Options{})
			old, next := rolled(b)
			if err := end(b, next.Key.ID); err != nil {
				t.Fatal(err)
			}
			third := roll(b, old.Key.ID, grace)
			if err := b.authenticated(third); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			refused(b, old.Key.ID, grace, third.Key.ID)
		}
	})
	t.Run("replace ends an unused successor in the same change", func(t *testing.T) {
		b := newBench(t, store.Options{})
		old, lost := rolled(b)
		changes := b.rows.changes.Load()
		next := roll(b, old.Key.ID, store.RollOptions{Grace: hour, Replace: true})
		if n := b.rows.changes.Load() - changes; n != 1 {
			t.Errorf("%d changes", n)
		}
		if err := b.authenticated(lost); !errors.Is(err, store.ErrRevoked) {
			t.Errorf("the lost one: %v", err)
		}
		if err := b.authenticated(next); err != nil {
			t.Errorf("the new one: %v", err)
		}
		if key := b.get(old.Key.ID); !key.RevokedAt.Time().Equal(start.Add(hour)) {
			t.Errorf("the old one ends at %v", key.RevokedAt)
		}
	})
	t.Run("replace does not end a successor that has been used", func(t *testing.T) {
		b := newBench(t, store.Options{})
		old, next := rolled(b)
		if err := b.authenticated(next); err != nil { // its use waits to be written
			t.Fatal(err)
		}
		refused(b, old.Key.ID, store.RollOptions{Replace: true}, next.Key.ID)
		if err := b.rows.Touch(b.ctx, []store.Use{{KeyID: next.Key.ID, At: start}}); err != nil { // another instance's use
			t.Fatal(err)
		}
		other, err := store.Options{Now: b.clock.Now, FlushInterval: -1}.New(b.rows.Store)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Roll(b.ctx, old.Key.ID, store.RollOptions{Replace: true}); !errors.Is(err, store.ErrNotAllowed) {
			t.Errorf("written by another instance: %v", err)
		}
	})
	t.Run("replace is not for the successor itself, which is in use", func(t *testing.T) {
		b := newBench(t, store.Options{FlushInterval: -1})
		old, next := rolled(b)
		if _, err := b.keys.Roll(store.NewContext(b.ctx, next.Key), old.Key.ID, store.RollOptions{Replace: true}); !errors.Is(err, store.ErrNotAllowed) {
			t.Error(err)
		}
	})
	t.Run("a successor that was rolled itself has handed the place on", func(t *testing.T) {
		b := newBench(t, store.Options{})
		old, next := rolled(b)
		third := roll(b, next.Key.ID, store.RollOptions{})
		refused(b, old.Key.ID, grace, third.Key.ID)
		if got := alive(b); len(got) != 2 {
			t.Errorf("alive: %v", got)
		}
	})
	t.Run("replace ends all successors that are alive, or none", func(t *testing.T) {
		b := newBench(t, store.Options{FlushInterval: -1})
		old, next := rolled(b)
		third := roll(b, next.Key.ID, grace) // next works on for its grace
		refused(b, old.Key.ID, grace, third.Key.ID)
		last := roll(b, old.Key.ID, store.RollOptions{Grace: hour, Replace: true})
		if got := alive(b); len(got) != 2 || got[0] != old.Key.ID || got[1] != last.Key.ID {
			t.Errorf("alive: %v", got)
		}
		fourth := roll(b, last.Key.ID, grace)
		if err := b.rows.Touch(b.ctx, []store.Use{{KeyID: last.Key.ID, At: start}}); err != nil {
			t.Fatal(err)
		}
		refused(b, old.Key.ID, store.RollOptions{Replace: true}, last.Key.ID)
		if got := alive(b); len(got) != 3 || got[2] != fourth.Key.ID {
			t.Errorf("alive: %v", got)
		}
	})
	t.Run("a key whose end was scheduled by hand is rolled as before", func(t *testing.T) {
		b := newBench(t, store.Options{})
		old := b.create(store.NewKey{Type: store.Secret})
		if _, err := b.keys.RevokeAt(b.ctx, old.Key.ID, b.keys.Now().Add(hour)); err != nil {
			t.Fatal(err)
		}
		next := roll(b, old.Key.ID, grace)
		if _, err := b.keys.RevokeAt(b.ctx, old.Key.ID, b.keys.Now().Add(2*hour)); err != nil { // and then put off
			t.Fatal(err)
		}
		refused(b, old.Key.ID, grace, next.Key.ID)
	})
	t.Run("of thirty rolls at once one makes a successor", func(t *testing.T) {
		b := newBench(t, store.Options{})
		old := b.create(store.NewKey{Type: store.Secret})
		results := make(chan error)
		for range 30 {
			go func() { _, err := b.keys.Roll(b.ctx, old.Key.ID, grace); results <- err }()
		}
		won := 0
		for range 30 {
			if err := <-results; err == nil {
				won++
			} else if !errors.Is(err, store.ErrNotAllowed) {
				t.Error(err)
			}
		}
		if won != 1 || len(alive(b)) != 2 {
			t.Errorf("%d rolls won, alive: %v", won, alive(b))
		}
	})
}
