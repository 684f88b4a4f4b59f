package keyauth_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// slow is a store whose lookups take a while.
type slow struct {
	store.Store
	takes time.Duration
}

func (s *slow) Lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {
	time.Sleep(s.takes)
	return s.Store.Lookup(ctx, id, redacted)
}

// How long a refusal takes says nothing about why, as far as this guard can see to it;
// internal/timing measures the rest.
func TestRequirement07RefusalsThatTookALookupTakeTheSameTime(t *testing.T) {
	const ms = time.Millisecond
	for _, d := range doors() {
		t.Run(d.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				rows := &slow{Store: w.spy}
				keys, err := store.Options{Sealer: w.sealer, Now: w.now, Logger: quiet(), FlushInterval: -1}.New(rows)
				if err != nil {
					t.Fatal(err)
				}
				took := func(config keyauth.Config, r *http.Request, status int) time.Duration {
					t.Helper()
					config.Keys = keys
					h := d.open(t, config, "orders:write")
					began := time.Now()
					if got := serve(h, r); got.Code != status {
						t.Errorf("%d, want %d", got.Code, status)
					}
					return time.Since(began)
				}
				config := w.config(store.Secret)
				for _, row := range []struct {
					name, token  string
					status       int
					lookup, want time.Duration
				}{
					{"unknown", w.unknown, 401, 0, 5 * ms},
					{"revoked", w.revoked, 401, 0, 5 * ms},
					{"expired", w.expired, 401, 0, 5 * ms},
					{"unknown, found out slowly", w.unknown, 401, 3 * ms, 5 * ms},
					{"revoked, found out slowly", w.revoked, 401, 4 * ms, 5 * ms},
					{"expired, found out too slowly", w.expired, 401, 9 * ms, 9 * ms},
					{"malformed", "sk_nonsense", 401, 0, 0},
					{"no lookup at all", w.publishable, 403, 0, 0},
					{"good, without the scope", w.scoped, 403, 0, 0},
					{"good", w.secret, 200, 0, 0},
					{"good, found out slowly", w.secret, 200, 3 * ms, 3 * ms},
				} {
					rows.takes = row.lookup
					if got := took(config, request("X-Api-Key", row.token), row.status); got != row.want {
						t.Errorf("%s: answered after %v, want %v", row.name, got, row.want)
					}
				}
				rows.takes = 0
				w.spy.forge.Store(true)
				if got := took(config, request("X-Api-Key", w.scoped), 401); got != 5*ms {
					t.Errorf("forged: answered after %v", got)
				}
				w.spy.forge.Store(false)
				w.spy.failWith(store.ErrUnavailable)
				if got := took(config, request("X-Api-Key", w.unknown), 503); got != 0 {
					t.Errorf("undecided: answered after %v", got)
				}
				w.spy.fail.Store(nil)
				config.RefusalTime = -1
				if got := took(config, request("X-Api-Key", w.unknown), 401); got != 0 {
					t.Errorf("switched off: answered after %v", got)
				}
				config.RefusalTime = time.Hour
				ctx, cancel := context.WithTimeout(t.Context(), 7*ms)
				defer cancel()
				if got := took(config, request("X-Api-Key", w.unknown).WithContext(ctx), 401); got != 7*ms {
					t.Errorf("a client that goes away was waited for: %v", got)
				}
			})
		})
	}
}
