package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

// untouchable is a store that nobody may ask.
type untouchable struct {
	store.Store
	tb testing.TB
}

func (u untouchable) Lookup(context.Context, store.LookupID, string) (store.Found, error) {
	u.tb.Error("the store was asked")
	return store.Found{}, store.ErrUnavailable
}

// refusals are tokens that are refused for their form, in front of a store that must not be asked.
func refusals(tb testing.TB) (keys *store.Keys, tokens map[string]string) {
	tb.Helper()
	keys = store.New(untouchable{store.NewMemory(), tb})
	tb.Cleanup(func() { _ = keys.Close(context.Background()) })
	made, err := store.New(store.NewMemory()).Create(tb.Context(), store.NewKey{Type: store.Secret})
	if err != nil {
		tb.Fatal(err)
	}
	good := made.Token.Reveal()
	other := byte('0')
	if good[10] == other {
		other = '1'
	}
	tokens = map[string]string{
		"WrongChecksum": good[:10] + string(other) + good[11:],
		"Malformed":     good[:len(good)-1] + "!",
		"TooShort":      "sk_nonsense",
	}
	for name, token := range tokens {
		if _, err := keys.Authenticate(tb.Context(), token); !errors.Is(err, store.ErrMalformed) {
			tb.Fatalf("%s: %v", name, err)
		}
	}
	return keys, tokens
}

// BenchmarkRefused is what a token costs that is refused for its form: no I/O and no allocation.
func BenchmarkRefused(b *testing.B) {
	keys, tokens := refusals(b)
	for name, token := range tokens {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = keys.Authenticate(context.Background(), token)
			}
		})
	}
}

func TestATokenThatIsRefusedForItsFormCostsNothing(t *testing.T) {
	keys, tokens := refusals(t)
	for name, token := range tokens {
		if n := testing.AllocsPerRun(1000, func() { _, _ = keys.Authenticate(context.Background(), token) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
