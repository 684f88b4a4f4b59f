package security_test

import (
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	"github.com/latchkey-go/latchkey/store"
)

// What is remembered is the record, never the answer: each of its rules is asked again on every
// request, by the clock of that moment. The cache says that the database was not asked.
func TestRequirement08EveryRuleIsAskedOnEveryHit(t *testing.T) {
	dsn, _ := databases()[0].open(t)
	w := newWorld(t, dsn)
	e := echo.New()
	client := "10.0.0.1"
	guard := func(types ...store.Type) echo.MiddlewareFunc {
		return echoauth.WithConfig(keyauth.Config{Keys: w.keys, Types: types, ClientIP: func(*http.Request) string { return client }, Logger: newLogger(&w.log), RefusalTime: -1})
	}
	ok := func(c echo.Context) error { return c.NoContent(http.StatusNoContent) }
	e.GET("/secret", ok, guard(store.Secret))
	e.GET("/public", ok, guard(store.Publishable))
	e.GET("/write", ok, guard(store.Secret), echoauth.Require("orders:write"))
	create := func(n store.NewKey) store.Made {
		t.Helper()
		made, err := w.keys.Create(t.Context(), n)
		w.must(err)
		return made
	}
	now := time.Now()
	expiring := create(store.NewKey{Type: store.Secret, ExpiresAt: now.Add(2 * time.Hour)})
	scheduled := create(store.NewKey{Type: store.Secret})
	_, err := w.keys.RevokeAt(t.Context(), scheduled.Key.ID, w.keys.Now().Add(time.Hour))
	w.must(err)
	bound := create(store.NewKey{Type: store.Secret, AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Scopes: []string{"orders:read"}})
	public := create(store.NewKey{Type: store.Publishable})
	revoked := create(store.NewKey{Type: store.Secret})
	_, err = w.keys.Revoke(t.Context(), revoked.Key.ID)
	w.must(err)

	ask := func(path string, made store.Made) int {
		t.Helper()
		return status(e, path, made.Token.Reveal())
	}
	polls := func() uint64 { s := w.cache.Stats(); return s.Polls - s.PollErrors }
	least := polls() + 2 // a poll that brings these changes drops what they are about once more
	w.eventually("the feed has been read since", func() bool { return polls() >= least })
	for _, made := range []store.Made{expiring, scheduled, bound, public, revoked} {
		w.eventually("the record is remembered", func() bool {
			before := w.cache.Stats()
			ask("/secret", made)
			ask("/public", made)
			after := w.cache.Stats()
			return after.Hits > before.Hits && after.StoreLookups == before.StoreLookups && after.RedisHits == before.RedisHits
		})
	}
	for _, step := range []struct {
		name   string
		ahead  time.Duration
		client string
		path   string
		made   store.Made
		want   int
	}{
		{"before it expires", 0, "10.0.0.1", "/secret", expiring, 204},
		{"before its revocation", 0, "10.0.0.1", "/secret", scheduled, 204},
		{"when its revocation has come", time.Hour + time.Minute, "10.0.0.1", "/secret", scheduled, 401},
		{"still before it expires", time.Hour + time.Minute, "10.0.0.1", "/secret", expiring, 204},
		{"when it has expired", 2*time.Hour + time.Minute, "10.0.0.1", "/secret", expiring, 401},
		{"with a clock put back, before its revocation again", 0, "10.0.0.1", "/secret", scheduled, 204},
		{"revoked at once, whatever the clock", -100 * time.Hour, "10.0.0.1", "/secret", revoked, 401},
		{"from where it is allowed", 0, "10.9.9.9", "/secret", bound, 204},
		{"from elsewhere", 0, "192.0.2.1", "/secret", bound, 403},
		{"from where it is allowed again", 0, "10.9.9.9", "/secret", bound, 204},
		{"from a client that is not known", 0, "", "/secret", bound, 403},
		{"without the scope", 0, "10.9.9.9", "/write", bound, 403},
		{"where its type is wanted", 0, "10.0.0.1", "/public", public, 204},
		{"where another type is wanted", 0, "10.0.0.1", "/secret", public, 403},
		{"a secret where another type is wanted", 0, "10.9.9.9", "/public", bound, 403},
	} {
		w.ahead.Store(int64(step.ahead))
		client = step.client
		before := w.cache.Stats()
		if got := ask(step.path, step.made); got != step.want {
			t.Errorf("%s: %d, want %d", step.name, got, step.want)
		}
		after := w.cache.Stats()
		if after.StaleLookups == before.StaleLookups && after.StoreLookups+after.RedisHits != before.StoreLookups+before.RedisHits {
			t.Errorf("%s: that was no hit: %+v", step.name, after)
		}
	}
	w.ahead.Store(0)
}
