package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// idsOf returns the ids of keys.
func idsOf(keys []*store.Key) []string {
	list := make([]string, len(keys))
	for i, key := range keys {
		list[i] = key.ID
	}
	return list
}

func TestRevokeAll(t *testing.T) {
	secrets := store.Filter{Types: []store.Type{store.Secret}}
	t.Run("ends what the filter matches and leaves alone what ends earlier", func(t *testing.T) {
		b := newBench(t, store.Options{})
		alive, dead, soon, late := b.create(store.NewKey{Type: store.Secret}), b.create(store.NewKey{Type: store.Secret}), b.create(store.NewKey{Type: store.Secret}), b.create(store.NewKey{Type: store.Secret})
		other := b.create(store.NewKey{Type: store.Publishable})
		for made, in := range map[*store.Made]time.Duration{&dead: 0, &soon: time.Hour, &late: 3 * time.Hour} {
			if _, err := b.keys.RevokeAt(b.ctx, made.Key.ID, b.keys.Now().Add(in)); err != nil {
				t.Fatal(err)
			}
		}
		want := []string{alive.Key.ID, late.Key.ID}
		at := start.Add(2 * time.Hour)
		would, count, err := b.keys.Revocable(b.ctx, secrets, at)
		if err != nil || count != 2 || !slices.Equal(idsOf(would), want) {
			t.Errorf("would revoke %q, %d, %v; want %q", idsOf(would), count, err, want)
		}
		revoked, err := b.keys.RevokeAll(store.WithActor(b.ctx, "user_1"), secrets, at)
		if err != nil || !slices.Equal(idsOf(revoked), want) {
			t.Fatalf("revoked %q, %v; want %q", idsOf(revoked), err, want)
		}
		for _, key := range revoked {
			if now, err := b.keys.Get(b.ctx, key.ID); err != nil || !now.RevokedAt.Time().Equal(at) || now.RevokedBy != "user_1" {
				t.Errorf("%s: revoked at %s by %q, %v", key.ID, now.RevokedAt, now.RevokedBy, err)
			}
		}
		if key, err := b.keys.Get(b.ctx, soon.Key.ID); err != nil || !key.RevokedAt.Time().Equal(start.Add(time.Hour)) {
			t.Errorf("what ended earlier now ends at %s, %v", key.RevokedAt, err)
		}
		if revoked, err := b.keys.RevokeAll(b.ctx, secrets, at); err != nil || len(revoked) != 0 {
			t.Errorf("the second time: %q, %v", idsOf(revoked), err)
		}
		b.clock.advance(time.Hour) // soon is dead, by the clock alone
		want = []string{alive.Key.ID, late.Key.ID}
		if would, count, err := b.keys.Revocable(b.ctx, secrets, time.Time{}); err != nil || count != 2 || !slices.Equal(idsOf(would), want) {
			t.Errorf("would revoke now %q, %d, %v; want %q", idsOf(would), count, err, want)
		}
		revoked, err = b.keys.RevokeAll(b.ctx, secrets, time.Time{})
		if err != nil || !slices.Equal(idsOf(revoked), want) || !revoked[0].RevokedAt.Time().Equal(b.clock.Now()) || !revoked[0].Revoked {
			t.Errorf("now: %q, %v; want %q, revoked now", idsOf(revoked), err, want)
		}
		for _, made := range []store.Made{alive, soon, late} {
			if err := b.authenticated(made); !errors.Is(err, store.ErrRevoked) {
				t.Errorf("%s: %v", made.Key.ID, err)
			}
		}
		if err := b.authenticated(other); err != nil {
			t.Errorf("the key that the filter does not match: %v", err)
		}
	})
	t.Run("asks the flag too, since another instance's clock may be ahead", func(t *testing.T) {
		b := newBench(t, store.Options{})
		made := b.create(store.NewKey{Type: store.Secret})
		b.clock.advance(time.Minute)
		if _, err := b.keys.Revoke(b.ctx, made.Key.ID); err != nil {
			t.Fatal(err)
		}
		b.clock.advance(-time.Minute)
		if revoked, err := b.keys.RevokeAll(b.ctx, secrets, time.Time{}); err != nil || len(revoked) != 0 {
			t.Errorf("%q, %v", idsOf(revoked), err)
		}
	})
	t.Run("is bounded, and then all or nothing", func(t *testing.T) {
		b := newBench(t, store.Options{})
		for _, n := range []int{store.MaxRevoke, 1} {
			if _, err := b.keys.CreateMany(b.ctx, slices.Repeat([]store.NewKey{{Type: store.Secret, Title: fmt.Sprint(n)}}, n)); err != nil {
				t.Fatal(err)
			}
		}
		_, err := b.keys.RevokeAll(b.ctx, secrets, time.Time{})
		if !errors.Is(err, store.ErrInvalid) || err.Error() != "More than 1000 keys would be revoked: narrow the filter, or name them by their ids, so many at a time" {
			t.Errorf("one too many: %v", err)
		}
		if updated, err := b.keys.UpdateAll(b.ctx, secrets, store.Patch{Title: ptr("x")}); !errors.Is(err, store.ErrInvalid) || len(updated) > 0 {
			t.Errorf("one too many to update: %d, %v", len(updated), err)
		}
		if n, err := b.rows.Count(b.ctx, store.Filter{Titles: []string{"x"}}); n > 0 || err != nil {
			t.Errorf("%d have been updated, %v", n, err)
		}
		first, count, err := b.keys.Revocable(b.ctx, secrets, time.Time{})
		if err != nil || len(first) != store.MaxRevoke || count != store.MaxRevoke+1 {
			t.Fatalf("would revoke %d of %d, %v", len(first), count, err)
		}
		if revoked, err := b.keys.RevokeAll(b.ctx, store.Filter{IDs: idsOf(first)}, time.Time{}); err != nil || len(revoked) != store.MaxRevoke {
			t.Errorf("just as many as allowed: %d, %v", len(revoked), err)
		}
	})
	t.Run("refuses a moment that cannot be told", func(t *testing.T) {
		b := newBench(t, store.Options{})
		never := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
		if _, err := b.keys.RevokeAll(b.ctx, secrets, never); !errors.Is(err, store.ErrInvalid) {
			t.Error(err)
		}
		if _, _, err := b.keys.Revocable(b.ctx, secrets, never); !errors.Is(err, store.ErrInvalid) {
			t.Error(err)
		}
	})
}
