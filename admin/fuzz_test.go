package admin_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"a=b&a[]=c&a[d]=e", "$or[0][title]=a&$or[1][type]=secret", "created_at[$in][]=null", "a[0][1][2]=x&a[0][1]=y",
		"a[][][]=x&a[b]=y", "%5B%5D=%", "fields=+a,-b,*c,d.*",
		"revoked_at.$gt=now", "limit=0x&offset=-", "a[19]=x&a[20]=y&a[21]=z", "]=[&[=]", "order=-title&q=%00",
		"created_at=Thu Jan 02 2020 03:04:05 GMT%2B0200",
	} {
		f.Add(seed)
	}
	keys := store.New(withAdmin{store.NewMemory()})
	api := admin.New(keys, admin.Options{})
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/api-keys", nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r.WithContext(store.NewContext(r.Context(), adminKey())))
		if w.Code != 200 && w.Code != 400 {
			t.Errorf("%q was answered %d %s", query, w.Code, w.Body)
		}
		if _, err := medusa.ParseJSON(w.Body.Bytes()); err != nil || !utf8.Valid(w.Body.Bytes()) {
			t.Errorf("%q was answered with no JSON: %s", query, w.Body)
		}
	})
}

func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		`{"title":"a","type":"secret"}`, `{"title":1e999,"a":[{"b":null}],"a":2}`, `[]`, `[[[`, "\ufeff{}",
		`{"metadata":{"a":"b"},"rate_limit":{"requests":1,"window":1e300}}`,
		`{"q":"a b","$or":[{"id":["a"]},{"created_at":{"$in":["now",null],"$gt":"2020-01-01"}}],"dry_run":true}`,
		`{"$and":[{"$or":[]}],"revoked_at":{},"revoke_in":1}`,
		`{"token":"sk_0000000000000000000000000000000000000000000000000000000000000000"}`,
		`{"expires_at":"2020-01-01T00:00:00Z","allowed_cidrs":["::/0","x"],"scopes":null}`, `{"\u0000":"\ud800"}`,
		`{"revoke_in":-1e308}`, `{"add":["a","a"],"remove":[1]}`,
	} {
		f.Add(seed)
	}
	var routes []string
	for _, route := range admin.Routes(store.New(store.NewMemory())) {
		if path, ok := strings.CutPrefix(route.Pattern, "POST "); ok {
			routes = append(routes, strings.Replace(path, "{id}", "a", 1))
		}
	}
	f.Fuzz(func(t *testing.T, body string) {
		// A new store for each body, so that a failure can be repeated.
		api := admin.New(store.New(withAdmin{store.NewMemory()}), admin.Options{})
		for _, route := range routes {
			for _, kind := range []string{"application/json", "application/x-www-form-urlencoded"} {
				r := httptest.NewRequest("POST", route, strings.NewReader(body))
				r.Header.Set("Content-Type", kind)
				w := httptest.NewRecorder()
				api.ServeHTTP(w, r.WithContext(store.NewContext(r.Context(), adminKey())))
				if w.Code >= 500 {
					t.Errorf("%s: %q was answered %d %s", route, body, w.Code, w.Body)
				}
				if _, err := medusa.ParseJSON(w.Body.Bytes()); err != nil || !utf8.Valid(w.Body.Bytes()) {
					t.Errorf("%s: %q was answered with no JSON: %s", route, body, w.Body)
				}
			}
		}
	})
}
