package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

// rollAndRevoke rolls and revokes the same key concurrently. One call must succeed, and there must
// not be two successors.
func rollAndRevoke(t *testing.T, s store.Store) {
	ctx := within(t)
	keys := must[*store.Keys](t)(store.Options{FlushInterval: -1}.New(s))
	made := must[store.Made](t)(keys.Create(ctx, store.NewKey{Type: store.Secret}))
	if _, err := keys.Authenticate(ctx, made.Token.Reveal()); err != nil {
		t.Fatal(err)
	}
	var won atomic.Int32
	var successor atomic.Pointer[store.Made]
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			var err error
			if i%2 == 0 {
				var next store.Made
				if next, err = keys.Roll(ctx, made.Key.ID, store.RollOptions{}); err == nil {
					successor.Store(&next)
				}
			} else {
				_, err = keys.Revoke(ctx, made.Key.ID)
			}
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, store.ErrNotAllowed) && !errors.Is(err, store.ErrInvalid):
				t.Errorf("losing: %v", err)
			}
		})
	}
	all.Wait()
	if n := won.Load(); n != 1 {
		t.Errorf("%d of them won, want 1", n)
	}
	if _, err := keys.Authenticate(ctx, made.Token.Reveal()); !errors.Is(err, store.ErrRevoked) {
		t.Errorf("the old token: %v, want ErrRevoked", err)
	}
	want := 1
	if next := successor.Load(); next != nil {
		want = 2
		key, err := keys.Authenticate(ctx, next.Token.Reveal())
		if err != nil || key.RolledFrom != made.Key.ID {
			t.Errorf("the new token: %+v, %v", key, err)
		}
	}
	if n := must[int](t)(s.Count(ctx, store.Filter{})); n != want {
		t.Errorf("%d keys, want %d", n, want)
	}
}
