package admin_test

import (
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

// No cache between here and a client may keep what the admin routes answer: not keys, not refusals,
// not faults. RFC 9111, 3.5 would protect only requests with Authorization, and keys come in other
// headers too.
func TestRequirement22NoAnswerMayBeStored(t *testing.T) {
	everyRoute(t, func(t *testing.T, _, method, target, body string) {
		f := open(t, admin.Options{})
		target = strings.Replace(target, "{id}", f.publishable("shop").ID, 1)
		down := openOver(t, admin.Options{Logger: quiet}, broken{store.NewMemory(), store.ErrUnavailable})
		for name, got := range map[string]answer{
			"a good request":              f.do(method, target, body),
			"nobody":                      f.send(nil, method, target, body),
			"a key without scopes":        f.send(&store.Key{ID: "apk_a", Type: store.Secret, Scopes: []string{}}, method, target, body),
			"an unknown query":            f.do(method, target+"?nonsense=1", body),
			"an unknown field":            f.do(method, target, `{"nonsense":1}`),
			"a body that is no JSON":      f.do(method, target, `{`),
			"a body that is too long":     f.do(method, target, strings.Repeat(" ", 102401)),
			"a method that is not taken":  f.do("PATCH", target, ``),
			"a path that is not there":    f.do(method, target+"/nonsense", ``),
			"a store that cannot answer":  down.do(method, target, body),
			"a key that is not there":     f.do(method, strings.Replace(target, "apk_", "apk_0", 1), body),
			"another key that is allowed": f.send(f.secret("other"), method, target, body),
		} {
			if cc := got.header.Values("Cache-Control"); len(cc) != 1 || cc[0] != "no-store" {
				t.Errorf("%s: %d with Cache-Control %q", name, got.status, cc)
			}
		}
	})
}
