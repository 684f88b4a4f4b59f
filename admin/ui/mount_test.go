package ui_test

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp/kb"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	echo5 "github.com/labstack/echo/v5"

	"github.com/latchkey-go/latchkey/admin"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	echoauth5 "github.com/latchkey-go/latchkey/middleware/echov5"
	"github.com/latchkey-go/latchkey/store"
)

func mounts(t *testing.T, b *chromium) {
	below := func(prefix string, pre ...echo.MiddlewareFunc) func(*store.Keys) http.Handler {
		return func(keys *store.Keys) http.Handler {
			e := echo.New()
			e.Pre(pre...)
			echoauth.Mount(e.Group(prefix), admin.New(keys, admin.Options{}))
			return e
		}
	}
	p := b.open(t, "about:blank")
	for _, tt := range []struct {
		name, page string
		handler    func(*store.Keys) http.Handler
	}{
		{"deep below others", "/x/y/ui", below("/x/y")},
		{"with a slash", "/x/y/ui/", below("/x/y")},
		{"with a slash that the router takes away", "/admin/ui/", below("/admin", middleware.RemoveTrailingSlash())},
		{"at the root", "/ui", below("")},
		{"at the root, with a slash", "/ui/", below("")},
		{"below a group that is called ui too", "/ui/ui", below("/ui")},
		{"below a group that is called ui too, with a slash", "/ui/ui/", below("/ui")},
		{"below a parameter that is escaped", "/shops/a%2Fb%20c/ui", below("/shops/:id")},
		{"with net/http", "/some/where/ui/", func(keys *store.Keys) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/some/where/", http.StripPrefix("/some/where", admin.New(keys, admin.Options{})))
			return mux
		}},
		{"with Echo v5", "/x/y/ui", func(keys *store.Keys) http.Handler {
			e := echo5.New()
			echoauth5.Mount(e.Group("/x/y"), admin.New(keys, admin.Options{}))
			return e
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.t = t
			s := newSite(t)
			s.lose()
			s.handler = tt.handler(s.keys)
			s.serve()
			p.goes("http://" + s.addr + tt.page)
			p.focused("textbox", "Secret key")
			p.types(s.admin.Token.Reveal())
			p.press(kb.Enter)
			p.lists("Back office")
		})
	}
	t.Run("where the app's own login is the guard, it does without a key", func(t *testing.T) {
		p.t = t
		s := newSite(t)
		s.lose()
		staff := admin.Options{Logger: quiet, Actor: func(r *http.Request) string {
			if cookie, err := r.Cookie("session"); err == nil {
				return cookie.Value
			}
			return ""
		}}
		api := admin.New(s.keys, staff)
		s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/ui" {
				http.SetCookie(w, &http.Cookie{Name: "session", Value: "user_ada", Path: "/", SameSite: http.SameSiteLaxMode, HttpOnly: true})
			}
			api.ServeHTTP(w, r)
		})
		s.serve()
		p.goes("http://" + s.addr + "/ui")
		p.click("button", "Use my login to this site instead")
		p.sees("Your login to this site")
		p.lists("Back office")
		p.click("button", "Back office")
		p.click("button", "Edit")
		p.retypes("Office")
		p.click("button", "Save")
		p.sees("Saved.", "Changed: title", "user_ada")
	})
}
