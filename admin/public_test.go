package admin_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

func TestDocumentsStandOutsideTheGuard(t *testing.T) {
	keys := store.New(store.NewMemory())
	shut := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	}
	below := func(prefix string, h http.Handler) http.Handler {
		mux := http.NewServeMux()
		mux.Handle(prefix+"/", http.StripPrefix(prefix, h))
		return mux
	}
	api := admin.New(keys, admin.Options{Guard: shut})
	type door struct {
		prefix  string
		handler http.Handler
	}
	doors := map[string]door{
		"net/http":              {"", api},
		"net/http below a path": {"/some/where", below("/some/where", api)},
	}
	for _, at := range [][2]string{{"", ""}, {"/admin", "/admin"}, {"/shops/:id", "/shops/7"}} {
		for name, e := range mounted(at[0], api) {
			doors[name+" at "+at[0]] = door{at[1], e}
		}
	}
	for name, door := range doors {
		t.Run(name, func(t *testing.T) {
			ask := func(method, target string, header ...string) *httptest.ResponseRecorder {
				r := httptest.NewRequest(method, door.prefix+target, nil)
				for i := 0; i+1 < len(header); i += 2 {
					r.Header.Set(header[i], header[i+1])
				}
				w := httptest.NewRecorder()
				door.handler.ServeHTTP(w, r)
				return w
			}
			for _, path := range admin.Documents() {
				got := ask("GET", path)
				if got.Code != 200 || got.Body.Len() == 0 || got.Header().Get("Content-Type") == "" {
					t.Errorf("GET %s was answered %d %v", path, got.Code, got.Header())
				}
				if got := ask("HEAD", path); got.Code != 200 {
					t.Errorf("HEAD %s was answered %d", path, got.Code)
				}
				for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} {
					got := ask(method, path)
					answer{status: got.Code, body: got.Body.String()}.is(t, 405, `{"type":"not_allowed","message":"The route does not take this method"}`)
					if allow := got.Header().Get("Allow"); allow != "GET, HEAD" {
						t.Errorf("%s %s: Allow is %q", method, path, allow)
					}
				}
				path := strings.TrimSuffix(path, "/")
				for _, other := range []string{path + "/", path + "x", path + "/x", "/x" + path, path + "%20", strings.ToUpper(path)} {
					if slices.Contains(admin.Documents(), other) {
						continue
					}
					if got := ask("GET", other); got.Code != http.StatusTeapot {
						t.Errorf("GET %s was answered %d past the guard", other, got.Code)
					}
				}
			}
		})
	}
	t.Run("and are asked for again before they are used again", func(t *testing.T) {
		f := open(t, admin.Options{})
		got := f.send(nil, "GET", "/openapi.json", "")
		if cached := got.header.Get("Cache-Control"); cached != "no-cache" || got.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("header %v", got.header)
		}
		if !json.Valid([]byte(got.body)) {
			t.Error("the description of the API is no JSON")
		}
		f.send(nil, "GET", "/openapi.json", "", "If-None-Match", got.header.Get("ETag")).is(t, 304, "")
	})
}
