package middleware_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	keyauth "github.com/latchkey-go/latchkey/middleware"
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
		_, err := config.ToMiddleware()
		check("ToMiddleware", err)
		_, err = config.ToHandler()
		check("ToHandler", err)
		check("WithConfig", panicOf(func() { keyauth.WithConfig(config) }))
		check("Handler", panicOf(func() { config.Handler(http.NotFoundHandler()) }))
	}
	for _, limit := range []store.RateLimit{{Requests: -1, Window: time.Minute}, {Window: time.Minute}, {Requests: 5, Window: time.Millisecond}} {
		if _, err := (keyauth.Config{Keys: keys, MaxFailures: limit}).ToHandler(); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("MaxFailures of %+v: %v", limit, err)
		}
	}
	for name, f := range map[string]func(){
		"Secret":      func() { keyauth.Secret(nil) },
		"Publishable": func() { keyauth.Publishable(nil) },
		"Any":         func() { keyauth.Any(nil) },
	} {
		if err := panicOf(f); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s(nil): %v", name, err)
		}
	}
}

func TestASkipperThatCouldNotBeAskedIsRefused(t *testing.T) {
	config := keyauth.Config{Keys: newWorld(t).keys, Skipper: func(echo.Context) bool { return true }}
	if _, err := config.ToHandler(); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "Skipper") {
		t.Errorf("got %v", err)
	}
}

func TestRequirePanicsForListsThatNoRouteCanMean(t *testing.T) {
	for name, scopes := range map[string][]string{"none": nil, "an empty one": {""}, "a quote": {`a"b`}, "a space": {"a b"}} {
		if panicOf(func() { keyauth.Require(scopes...) }) == nil {
			t.Errorf("Require with %s did not panic", name)
		}
		if panicOf(func() { keyauth.RequireHandler(scopes...) }) == nil {
			t.Errorf("RequireHandler with %s did not panic", name)
		}
	}
}

func TestAConfigThatIsChangedLaterDoesNotChangeTheGuard(t *testing.T) {
	w := newWorld(t)
	config := w.config(store.Secret)
	config.Scopes = []string{"orders:write"}
	h := config.Handler(http.NotFoundHandler())
	config.Scopes[0] = "orders:read"
	config.Types[0] = store.Publishable
	if got := serve(h, request("X-Api-Key", w.scoped)); got.Code != 403 || !strings.Contains(got.Body.String(), "orders:write") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	scopes := []string{"orders:write"}
	h = w.config(store.Secret).Handler(keyauth.RequireHandler(scopes...)(http.NotFoundHandler()))
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
