package admin_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

func TestReport(t *testing.T) {
	f := open(t, admin.Options{})
	const day = 24 * time.Hour
	add := func(typ store.Type, title string, lives, used time.Duration) string {
		n := store.NewKey{Type: typ, Title: title}
		if lives != 0 {
			n.ExpiresAt = begin.Add(lives)
		}
		made := f.made(n).Key
		if used != 0 {
			if err := f.rows.Touch(t.Context(), []store.Use{{KeyID: made.ID, At: begin.Add(used)}}); err != nil {
				t.Fatal(err)
			}
		}
		made, err := f.keys.Get(t.Context(), made.ID)
		if err != nil {
			t.Fatal(err)
		}
		stamp := func(at time.Time) string {
			if at.IsZero() {
				return "null"
			}
			return at.Format(`"2006-01-02T15:04:05.000Z"`)
		}
		return fmt.Sprintf(`{"id":"%s","title":"%s","redacted":"%s","type":"%s","created_at":"2026-03-04T05:06:07.089Z","last_used_at":%s,"expires_at":%s}`,
			made.ID, title, made.Redacted, typ, stamp(made.LastUsedAt.Time()), stamp(made.ExpiresAt.Time()))
	}
	idOf := func(shown string) string { return strings.Split(shown, `"`)[3] }
	list := func(name string, count int, next string, keys ...string) string {
		return fmt.Sprintf(`"%s":{"count":%d,"api_keys":[%s],"next_after":%s}`, name, count, strings.Join(keys, ","), next)
	}
	report := func(idle, expiring, limit int, lists ...string) string {
		return fmt.Sprintf(`{"at":"2026-03-04T05:06:07.089Z","idle_days":%d,"expiring_days":%d,"limit":%d,%s}`, idle, expiring, limit, strings.Join(lists, ","))
	}
	add(store.Secret, "fine", 100*day, -day)
	idle := add(store.Secret, "idle", 100*day, -90*day)
	less := add(store.Secret, "idle for less", 100*day, -60*day)
	fresh := add(store.Secret, "new", 100*day, 0)
	ever := add(store.Publishable, "for ever", 0, 0)
	ending := add(store.Secret, "ending", 30*day, -day)
	later := add(store.Secret, "ending later", 31*day, -day)
	dead := add(store.Secret, "dead", 0, -200*day)
	if _, err := f.keys.Revoke(t.Context(), idOf(dead)); err != nil {
		t.Fatal(err)
	}
	f.do("GET", "/api-keys/report", "").is(t, 200, report(90, 30, 50,
		list("never_used", 2, "null", fresh, ever), list("idle", 1, "null", idle), list("without_expiry", 1, "null", ever), list("expiring", 1, "null", ending)))
	t.Run("of other spans", func(t *testing.T) {
		f.do("GET", "/api-keys/report?idle_days=60&expiring_days=31", "").is(t, 200, report(60, 31, 50,
			list("never_used", 2, "null", fresh, ever), list("idle", 2, "null", idle, less), list("without_expiry", 1, "null", ever), list("expiring", 2, "null", ending, later)))
	})
	t.Run("of one type", func(t *testing.T) {
		f.do("GET", "/api-keys/report?type=secret", "").is(t, 200, report(90, 30, 50,
			list("never_used", 1, "null", fresh), list("idle", 1, "null", idle), list("without_expiry", 0, "null"), list("expiring", 1, "null", ending)))
	})
	t.Run("a page at a time", func(t *testing.T) {
		f.do("GET", "/api-keys/report?limit=1", "").is(t, 200, report(90, 30, 1,
			list("never_used", 2, `"`+idOf(fresh)+`"`, fresh), list("idle", 1, "null", idle), list("without_expiry", 1, "null", ever), list("expiring", 1, "null", ending)))
		f.do("GET", "/api-keys/report?limit=1&concern=never_used&after="+idOf(fresh), "").is(t, 200, report(90, 30, 1, list("never_used", 2, "null", ever)))
		f.do("GET", "/api-keys/report?concern=idle&idle_days=60&after="+idOf(idle), "").is(t, 200, report(60, 30, 50, list("idle", 2, "null", less)))
	})
	t.Run("without keys", func(t *testing.T) {
		open(t, admin.Options{}).do("GET", "/api-keys/report", "").is(t, 200, report(90, 30, 50,
			list("never_used", 0, "null"), list("idle", 0, "null"), list("without_expiry", 0, "null"), list("expiring", 0, "null")))
	})
	for query, want := range map[string]string{
		"idle_days=0":              `Value for field 'idle_days' too small, expected at least: '1'`,
		"idle_days=36501":          `Value for field 'idle_days' too big, expected at most: '36500'`,
		"expiring_days=1.5":        `Expected type: 'integer' for field 'expiring_days', got: '1.5'`,
		"limit=1001&type=x":        `Expected: 'publishable, secret' for field 'type', but got: 'x'; Value for field 'limit' too big, expected at most: '1000'`,
		"after=apk_1":              `Field 'after' continues a single list: name it in field 'concern'`,
		"after=apk_1&concern=dead": `Expected: 'never_used, idle, without_expiry, expiring' for field 'concern', but got: 'dead'`,
		"after=%00&concern=idle":   `Field 'after' contains a NUL character`,
		"offset=1":                 `Unrecognized fields: 'offset'`,
	} {
		t.Run("refused: "+query, func(t *testing.T) {
			f.do("GET", "/api-keys/report?"+query, "").is(t, 400, invalid(want))
		})
	}
}
