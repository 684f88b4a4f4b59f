package keyauth_test

import (
	"net/http/httptest"
	"net/http/httputil"
	"testing"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// Over plain HTTP, where that is forbidden, the answer says nothing about the key, nor where to
// send it instead (draft-ietf-httpapi-privacy).
func TestRequirement19PlainHTTPIsRefusedAlikeForAllKeys(t *testing.T) {
	w := newWorld(t)
	for _, d := range doors() {
		for _, style := range []keyauth.ErrorStyle{keyauth.StandardErrors, keyauth.MedusaErrors} {
			config := w.config(store.Secret, store.Publishable)
			config.ForbidPlainHTTP, config.Errors = true, style
			h := d.open(t, config, "orders:write")
			dump := func(r *httptest.ResponseRecorder) string {
				bytes, err := httputil.DumpResponse(r.Result(), true)
				if err != nil {
					t.Fatal(err)
				}
				return string(bytes)
			}
			first := serve(h, request())
			if first.Code != 403 || first.Header().Get("Location") != "" || first.Header().Get("WWW-Authenticate") != "" {
				t.Errorf("%s, style %d: %d %v", d.name, style, first.Code, first.Header())
			}
			want := dump(first)
			for name, lines := range map[string][]string{
				"a good key":           {"X-Api-Key", w.secret},
				"a good key as Bearer": {"Authorization", "Bearer " + w.secret},
				"a publishable key":    {"X-Publishable-Api-Key", w.publishable},
				"an unknown key":       {"X-Api-Key", w.unknown},
				"a revoked key":        {"X-Api-Key", w.revoked},
				"an expired key":       {"X-Api-Key", w.expired},
				"a key without scope":  {"X-Api-Key", w.powerless},
				"a bound key":          {"X-Api-Key", w.bound},
				"a malformed key":      {"X-Api-Key", "sk_nonsense"},
				"two keys":             {"X-Api-Key", w.secret, "X-Api-Key", w.other},
				"another scheme":       {"Authorization", "Digest a"},
			} {
				if got := dump(serve(h, request(lines...))); got != want {
					t.Errorf("%s, style %d, %s: answered\n%s\nwant\n%s", d.name, style, name, got, want)
				}
			}
		}
	}
	if n := w.spy.calls.Load(); n != 0 {
		t.Errorf("%d lookups", n)
	}
}
