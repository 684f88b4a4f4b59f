package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// TestMaxLifetimeAndKeysFromBeforeIt is about a policy that is introduced when there are keys
// already.
func TestMaxLifetimeAndKeysFromBeforeIt(t *testing.T) {
	s := sealer(t, pepper1)
	before := newBench(t, store.Options{Sealer: s})
	after, err := store.Options{Sealer: s, MaxLifetime: time.Hour, Now: before.clock.Now, FlushInterval: -1}.New(before.rows)
	if err != nil {
		t.Fatal(err)
	}
	ctx := before.ctx
	endless := before.create(store.NewKey{Type: store.Secret})
	far := before.create(store.NewKey{Type: store.Secret, ExpiresAt: start.Add(1000 * time.Hour)})
	distant := before.create(store.NewKey{Type: store.Secret, ExpiresAt: start.Add(1000 * time.Hour)})
	near := before.create(store.NewKey{Type: store.Secret, ExpiresAt: start.Add(2*time.Hour + time.Minute)})
	before.clock.advance(2 * time.Hour)
	now := before.clock.Now()
	check := func(t *testing.T, token store.Token, want time.Time) {
		t.Helper()
		key, err := after.Authenticate(ctx, token.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		if !key.ExpiresAt.Time().Equal(want) {
			t.Errorf("expires at %s, want %s", key.ExpiresAt, want)
		}
	}

	t.Run("other changes leave their expiry alone", func(t *testing.T) {
		for _, made := range []store.Made{endless, far} {
			if _, err := after.Update(ctx, made.Key.ID, store.Patch{Scopes: ptr([]string{"orders:read"}), RateLimit: &store.RateLimit{Requests: 5, Window: time.Minute}}); err != nil {
				t.Fatal(err)
			}
			check(t, made.Token, made.Key.ExpiresAt.Time())
		}
	})
	t.Run("a change of their expiry is bound, from when they were made", func(t *testing.T) {
		// An hour from its creation has passed: there is no expiry in the future left to give.
		if _, err := after.Update(ctx, far.Key.ID, store.Patch{ExpiresAt: ptr(now.Add(time.Minute))}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("a minute from now: %v", err)
		}
		updated, err := after.Update(ctx, far.Key.ID, store.Patch{ExpiresAt: new(time.Time)})
		if err != nil || !updated.ExpiresAt.Time().Equal(start.Add(time.Hour)) {
			t.Errorf("never: %v, %v", updated, err)
		}
	})
	t.Run("rolled, they may live for as long as any new key, and not longer than they would have", func(t *testing.T) {
		for _, row := range []struct {
			made store.Made
			want time.Time
		}{{endless, now.Add(time.Hour)}, {distant, now.Add(time.Hour)}, {near, now.Add(time.Minute)}} {
			next, err := after.Roll(ctx, row.made.Key.ID, store.RollOptions{})
			if err != nil {
				t.Fatal(err)
			}
			check(t, next.Token, row.want)
		}
	})
	t.Run("imported, they may live for as long as any new key", func(t *testing.T) {
		token := "pk_" + strings.Repeat("0123456789abcdef", 4)
		old := store.ImportKey{Token: token, Key: store.Key{ID: "apk_old", Type: store.Publishable, CreatedAt: store.TimeOf(start.Add(-1000 * time.Hour))}}
		if result, err := after.Import(ctx, []store.ImportKey{old}, false); err != nil || result.Imported != 1 {
			t.Fatalf("%+v, %v", result, err)
		}
		if key, err := after.Authenticate(ctx, token); err != nil || !key.ExpiresAt.Time().Equal(now.Add(time.Hour)) {
			t.Errorf("%+v, %v", key, err)
		}
	})
}
