package keyauth_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	echo5 "github.com/labstack/echo/v5"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	echoauth5 "github.com/latchkey-go/latchkey/middleware/echov5"
	"github.com/latchkey-go/latchkey/store"
)

func TestBadConfigsAreToldAtStart(t *testing.T) {
	keys := newWorld(t).keys
	for name, config := range map[string]keyauth.Config{
		"Config.Keys":          {},
		"Config.Types":         {Keys: keys, Types: []store.Type{store.Secret, "root"}},
		"Config.Extractors is": {Keys: keys, Extractors: []keyauth.Extractor{}},
		"Config.Extractors[1]": {Keys: keys, Extractors: []keyauth.Extractor{keyauth.Bearer, nil}},
		"Config.Extractors[0]": {Keys: keys, Extractors: []keyauth.Extractor{keyauth.Header("x api key")}},
		"Config.Scopes":        {Keys: keys, Scopes: []string{`orders:write", error="none`}},
		"Config.Errors":        {Keys: keys, Errors: 7},
		"Config.Realm":         {Keys: keys, Realm: "shop\r\nSet-Cookie: a=b"},
		"Config.RetryAfter":    {Keys: keys, RetryAfter: -1},
		"Config.MaxFailures":   {Keys: keys, MaxFailures: store.RateLimit{Requests: 5}},
	} {
		check := func(door string, err error) {
			t.Helper()
			if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s, %s: %v", name, door, err)
			}
		}
		for _, d := range doors() {
			check(d.name, panicOf(func() { d.app().guard(config) }))
		}
	}
	for _, limit := range []store.RateLimit{{Requests: -1, Window: time.Minute}, {Window: time.Minute}, {Requests: 5, Window: time.Millisecond}} {
		err := panicOf(func() { keyauth.WithConfig(keyauth.Config{Keys: keys, MaxFailures: limit}) })
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("MaxFailures of %+v: %v", limit, err)
		}
	}
	for name, f := range map[string]func(){
		"Secret":               func() { keyauth.Secret(nil) },
		"Publishable":          func() { keyauth.Publishable(nil) },
		"Any":                  func() { keyauth.Any(nil) },
		"Secret, Echo v4":      func() { echoauth.Secret(nil) },
		"Publishable, Echo v4": func() { echoauth.Publishable(nil) },
		"Any, Echo v4":         func() { echoauth.Any(nil) },
		"Secret, Echo v5":      func() { echoauth5.Secret(nil) },
		"Publishable, Echo v5": func() { echoauth5.Publishable(nil) },
		"Any, Echo v5":         func() { echoauth5.Any(nil) },
		"Mount, Echo v4":       func() { echoauth.Mount(nil, http.NotFoundHandler()) },
		"Mount, Echo v5":       func() { echoauth5.Mount(nil, http.NotFoundHandler()) },
		"Mount of nothing, 4":  func() { echoauth.Mount(echo.New().Group(""), nil) },
		"Mount of nothing, 5":  func() { echoauth5.Mount(echo5.New().Group(""), nil) },
	} {
		if err := panicOf(f); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s(nil): %v", name, err)
		}
	}
}

func TestRequirePanicsForListsThatNoRouteCanMean(t *testing.T) {
	for name, scopes := range map[string][]string{"none": nil, "an empty one": {""}, "a quote": {`a"b`}, "a space": {"a b"}} {
		for _, d := range doors() {
			if panicOf(func() { d.app().require(scopes...) }) == nil {
				t.Errorf("%s: Require with %s did not panic", d.name, name)
			}
		}
	}
}

func TestAConfigThatIsChangedLaterDoesNotChangeTheGuard(t *testing.T) {
	w := newWorld(t)
	config := w.config(store.Secret)
	config.Scopes = []string{"orders:write"}
	h := keyauth.WithConfig(config)(http.NotFoundHandler())
	config.Scopes[0] = "orders:read"
	config.Types[0] = store.Publishable
	if got := serve(h, request("X-Api-Key", w.scoped)); got.Code != 403 || !strings.Contains(got.Body.String(), "orders:write") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	scopes := []string{"orders:write"}
	h = keyauth.WithConfig(w.config(store.Secret))(keyauth.Require(scopes...)(http.NotFoundHandler()))
	scopes[0] = "orders:read"
	if got := serve(h, request("X-Api-Key", w.scoped)); got.Code != 403 {
		t.Errorf("Require: %d %s", got.Code, got.Body)
	}
}

func panicOf(f func()) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case error:
			err = p
		default:
			err = errors.New("panic of something else")
		}
	}()
	f()
	return nil
}
