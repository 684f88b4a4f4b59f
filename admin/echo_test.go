package admin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	echo5 "github.com/labstack/echo/v5"

	"github.com/latchkey-go/latchkey/admin"
	keyauth "github.com/latchkey-go/latchkey/middleware"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	echoauth5 "github.com/latchkey-go/latchkey/middleware/echov5"
	"github.com/latchkey-go/latchkey/store"
)

// mounted returns h below a group of each Echo.
func mounted(prefix string, h http.Handler) map[string]http.Handler {
	four, five := echo.New(), echo5.New()
	echoauth.Mount(four.Group(prefix), h)
	echoauth5.Mount(five.Group(prefix), h)
	return map[string]http.Handler{"Echo v4": four, "Echo v5": five}
}

// secretOf is a guard that lets requests in as key, if they ask nicely.
func secretOf(key *store.Key) func(next http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "please" {
				w.WriteHeader(http.StatusTeapot)
				return
			}
			next.ServeHTTP(w, r.WithContext(store.NewContext(r.Context(), key)))
		})
	}
}

func TestMountServesBelowAnEchoGroup(t *testing.T) {
	for _, version := range []string{"Echo v4", "Echo v5"} {
		t.Run(version, func(t *testing.T) { mountedBelow(t, version) })
	}
}

func mountedBelow(t *testing.T, version string) {
	f := open(t, admin.Options{})
	api := admin.New(f.keys, admin.Options{Guard: secretOf(f.admin)})
	e := mounted("/shops/:shop/admin", api)[version]
	shop := f.publishable("shop")
	ask := func(method, target, body, authorization string) answer {
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		h := e
		if authorization != "" { // else it is this guard that answers
			h = documented(t, e)
		}
		h.ServeHTTP(w, r)
		return answer{w.Code, w.Body.String(), w.Header()}
	}
	const prefix = "/shops/a%20b/admin"
	t.Run("the routes are there", func(t *testing.T) {
		ask("GET", prefix+"/api-keys/"+shop.ID, "", "please").is(t, 200, fill(`{"api_key":`+plainShop+`}`, shop))
		ask("POST", prefix+"/api-keys/"+shop.ID+"/revoke?fields=type", "", "please").is(t, 200, fill(`{"api_key":{"type":"publishable","id":"{id}"}}`, shop))
	})
	t.Run("an encoded slash belongs to the id, as other encoded characters do", func(t *testing.T) {
		ask("GET", prefix+"/api-keys/a%2Fb", "", "please").is(t, 404, `{"type":"not_found","message":"API Key with id: a/b was not found"}`)
		ask("GET", "/shops/a%2Fb/admin/api-keys/a%2Fb%25", "", "please").is(t, 404, `{"type":"not_found","message":"API Key with id: a/b% was not found"}`)
		ask("GET", prefix+"/api-keys/a%25b%20%C3%A9", "", "please").is(t, 404, `{"type":"not_found","message":"API Key with id: a%b é was not found"}`)
	})
	t.Run("unknown paths and methods are answered here too", func(t *testing.T) {
		ask("GET", prefix+"/foo", "", "please").is(t, 404, `{"type":"not_found","message":"There is no such route"}`)
		ask("GET", prefix, "", "please").is(t, 404, `{"type":"not_found","message":"There is no such route"}`)
		got := ask("PATCH", prefix+"/api-keys", "", "please")
		got.is(t, 405, `{"type":"not_allowed","message":"The route does not take this method"}`)
		if allow := got.header.Get("Allow"); allow != "GET, HEAD, POST" {
			t.Errorf("Allow is %q", allow)
		}
	})
	t.Run("a slash at the end does not matter", func(t *testing.T) {
		ask("GET", prefix+"/api-keys/"+shop.ID+"/?fields=type", "", "please").is(t, 200, fill(`{"api_key":{"type":"publishable","id":"{id}"}}`, shop))
		ask("HEAD", prefix+"/api-keys/?fields=id", "", "please").isLike(t, 200, ``)
	})
	t.Run("the group's own parameters are not taken for the key's", func(t *testing.T) {
		e := mounted("/shops/:id/admin", api)[version]
		r := httptest.NewRequest("GET", "/shops/7/admin/api-keys/apk_x", nil)
		r.Header.Set("Authorization", "please")
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		answer{status: w.Code, body: w.Body.String()}.is(t, 404, `{"type":"not_found","message":"API Key with id: apk_x was not found"}`)
	})
	t.Run("Echo's list of routes has every one of them", func(t *testing.T) {
		listed := map[string]bool{}
		switch e := e.(type) {
		case *echo.Echo:
			for _, r := range e.Routes() {
				listed[r.Method+" "+r.Path] = true
			}
		case *echo5.Echo:
			for _, r := range e.Router().Routes() {
				listed[r.Method+" "+r.Path] = true
			}
		}
		for _, r := range admin.Routes(f.keys) {
			method, path, _ := strings.Cut(r.Pattern, " ")
			path = "/shops/:shop/admin" + strings.ReplaceAll(path, "{id}", ":id")
			if !listed[method+" "+path] || method == "GET" && !listed["HEAD "+path] {
				t.Errorf("%s is not in it", r.Pattern)
			}
		}
		if listed["GET /shops/:shop/admin"] {
			t.Error("the group itself is in it")
		}
	})
	t.Run("the guard stands before all of it", func(t *testing.T) {
		for _, target := range []string{"", "/", "/foo", "/api-keys", "/api-keys/a", "/api-keys/a/roll"} {
			for _, method := range []string{"GET", "POST", "PUT", "DELETE", "OPTIONS"} {
				if got := ask(method, prefix+target, "", ""); got.status != http.StatusTeapot {
					t.Errorf("%s %s was answered %d past the guard", method, target, got.status)
				}
			}
		}
	})
	t.Run("a guard that lets all through does not open it", func(t *testing.T) {
		for _, errors := range []keyauth.ErrorStyle{keyauth.MedusaErrors, keyauth.StandardErrors} {
			e := mounted("/admin", admin.New(f.keys, admin.Options{Guard: letAllThrough, Errors: errors}))[version]
			w := httptest.NewRecorder()
			e.ServeHTTP(w, httptest.NewRequest("GET", "/admin/api-keys", nil))
			want := `{"message":"Unauthorized"}`
			if errors == keyauth.StandardErrors {
				want = `{"type":"unauthorized","message":"Unauthorized"}` + "\n"
			}
			answer{status: w.Code, body: w.Body.String()}.is(t, 401, want)
		}
	})
}
