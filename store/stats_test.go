package store_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/internal/observe"
	"github.com/latchkey-go/latchkey/store"
)

// counts returns Stats, by the names of the fields.
func counts(k *store.Keys) map[string]uint64 {
	all := map[string]uint64{}
	s := reflect.ValueOf(k.Stats())
	for i := range s.NumField() {
		if name := s.Type().Field(i).Name; s.Field(i).CanUint() {
			all[name] = s.Field(i).Uint()
		}
	}
	return all
}

func TestEveryAuthenticationIsCountedOnce(t *testing.T) {
	sealer, err := store.NewSealer([]string{"0123456789abcdefghijklmnopqrstuvwxyzABCDEF"})
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, store.Options{Sealer: sealer, FlushInterval: -1})
	good := b.create(store.NewKey{Type: store.Secret})
	revoked := b.create(store.NewKey{Type: store.Secret})
	if _, err := b.keys.Revoke(b.ctx, revoked.Key.ID); err != nil {
		t.Fatal(err)
	}
	expired := b.create(store.NewKey{Type: store.Secret, ExpiresAt: start.Add(time.Minute)})
	forged := b.create(store.NewKey{Type: store.Secret})
	if _, err := b.rows.Store.Change(b.ctx, store.Actor{}, func(tx store.Tx) error {
		found, err := tx.Find(b.ctx, store.Query{Filter: store.Filter{IDs: []string{forged.Key.ID}}})
		if err != nil {
			return err
		}
		found[0].Key.Scopes = []string{"keys:write"}
		return tx.Update(b.ctx, found[0], store.Event{Kind: store.Updated, At: start})
	}); err != nil {
		t.Fatal(err)
	}
	b.clock.advance(time.Hour)
	gone, leave := context.WithCancel(t.Context())
	leave()
	late, end := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer end()

	for _, row := range []struct {
		name, result, token string
		ctx                 context.Context
		fail                error
		types               []store.Type
	}{
		{"a good key", "Authenticated", good.Token.Reveal(), t.Context(), nil, nil},
		{"nonsense", "Malformed", "sk_nonsense", t.Context(), nil, nil},
		{"a token that no key has", "Unknown", "sk_" + strings.Repeat("0123456789abcdef", 4), t.Context(), nil, nil},
		{"a revoked key", "Revoked", revoked.Token.Reveal(), t.Context(), nil, nil},
		{"an expired key", "Expired", expired.Token.Reveal(), t.Context(), nil, nil},
		{"a forged record", "Forged", forged.Token.Reveal(), t.Context(), nil, nil},
		{"a key of another type", "WrongType", good.Token.Reveal(), t.Context(), nil, []store.Type{store.Publishable}},
		{"a store that is out", "Unavailable", good.Token.Reveal(), t.Context(), store.ErrUnavailable, nil},
		{"a store that fails in a way nobody knows", "Unavailable", good.Token.Reveal(), t.Context(), errors.New("disk on fire"), nil},
		{"a request whose time is over", "Unavailable", good.Token.Reveal(), late, context.DeadlineExceeded, nil},
		{"a client that has left", "Canceled", good.Token.Reveal(), gone, context.Canceled, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			b.rows.fail(row.fail)
			before := counts(b.keys)
			_, _ = b.keys.Authenticate(row.ctx, row.token, row.types...)
			for name, n := range counts(b.keys) {
				want := uint64(0)
				if name == row.result || name == "Alarms" && row.result == "Forged" {
					want = 1
				}
				if n-before[name] != want {
					t.Errorf("%s rose by %v, want %v", name, n-before[name], want)
				}
			}
		})
	}
	t.Run("a question of the admin routes is no authentication", func(t *testing.T) {
		b.rows.fail(nil)
		before := b.keys.Stats()
		if _, err := b.keys.Verify(t.Context(), good.Token.Reveal()); err != nil {
			t.Fatal(err)
		}
		if _, err := b.keys.Verify(t.Context(), "sk_nonsense"); !errors.Is(err, store.ErrMalformed) {
			t.Fatal(err)
		}
		if b.keys.Stats() != before {
			t.Errorf("%+v, want %+v", b.keys.Stats(), before)
		}
	})
}

func TestLastUsedTimesAreCounted(t *testing.T) {
	b := newBench(t, store.Options{})
	made := b.create(store.NewKey{Type: store.Secret})
	keys, err := store.Options{FlushInterval: time.Hour}.New(&unclosed{Store: b.rows})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Authenticate(t.Context(), made.Token.Reveal()); err != nil {
		t.Fatal(err)
	}
	if s := keys.Stats(); s.UsesWaiting != 1 || s.UsesWritten != 0 {
		t.Errorf("%+v, want one waiting", s)
	}
	b.rows.fail(store.ErrUnavailable)
	if err := keys.Close(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Close with the store out of reach: %v", err)
	}
	if s := keys.Stats(); s.UsesWaiting != 1 || s.FlushErrors != 1 {
		t.Errorf("%+v, want one waiting and an error", s)
	}
	b.rows.fail(nil)
	if err := keys.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if s := keys.Stats(); s.UsesWaiting != 0 || s.UsesWritten != 1 {
		t.Errorf("%+v, want one written", s)
	}
}

// scryptErrors gets the error of each computation of scrypt.
type scryptErrors chan error

func (e scryptErrors) Begin(ctx context.Context, operation string) (context.Context, func(error)) {
	if operation != "scrypt.derive" {
		return ctx, func(error) {}
	}
	return ctx, func(err error) { e <- err }
}

func TestScryptIsCounted(t *testing.T) {
	ended := make(scryptErrors, 10)
	b := newBench(t, store.Options{Observer: ended, FlushInterval: -1})
	token := "sk_" + strings.Repeat("0123456789abcdef", 4)
	b.imports(medusaKey(t, "apk_old", token))
	if _, err := b.keys.Authenticate(b.ctx, token); err != nil {
		t.Fatal(err)
	}
	b.upgraded("apk_old")
	if err := b.keys.Close(t.Context()); err != nil { // the count follows the change
		t.Fatal(err)
	}
	if s := b.keys.Stats(); s.Scrypts != 1 || s.Upgraded != 1 || s.UpgradesLost != 0 || s.ScryptsBusy != 0 {
		t.Errorf("%+v, want one computation and one upgrade", s)
	}
	if n := len(ended); n != 1 {
		t.Fatalf("%d computations were observed, want 1", n)
	}
	if err := <-ended; err != nil {
		t.Errorf("scrypt ended with %v", err)
	}
}

func TestDenialsAreCountedByReason(t *testing.T) {
	keys := newBench(t, store.Options{}).keys
	for d := range observe.Denials {
		for range d + 1 {
			keys.CountDenial(d)
		}
	}
	keys.CountDenial(-1)
	keys.CountDenial(observe.Denials)
	if got := fmt.Sprint(keys.Stats().Denied); got != "{1 2 3 4 5 6 7}" {
		t.Errorf("%s, want each as often as its number", got)
	}
}
