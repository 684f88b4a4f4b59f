package admin

import (
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// Config is the full form of [Handler] and [Mount]. The zero value is what those use.
type Config struct {
	// Actor returns who of the app's own staff makes the request ("user_123"), or "" for nobody. It must believe only what the guard
	// has authenticated. Such principals have all rights, appear in created_by and revoked_by, and, since browsers send their
	// cookies unasked, must pass CrossOrigin. It is not asked when a secret key has authenticated the request.
	// Optional. Default: nobody.
	Actor func(*http.Request) string
	// CrossOrigin protects requests of Actors from other sites. Optional. Default: http.NewCrossOriginProtection(), which allows none.
	CrossOrigin *http.CrossOriginProtection
	// SalesChannels is where the shop keeps its sales channels. Optional. Default: none; any channel can be linked and is shown
	// with its id as its name.
	SalesChannels SalesChannels
	// MaxPage is the greatest number of keys in one answer of the list. A limit may be greater (Medusa has no bound); when more keys
	// than MaxPage would have to be shown, the answer is 400. Optional. Default 10 000.
	MaxPage int
	// Logger hears the causes of 500 and 503. Optional. Default: slog.Default().
	Logger *slog.Logger
}

// Handler returns the API over keys: paths begin with /api-keys, so strip what stands before. Every request passes guard, which
// authenticates and puts the key into the context (package middleware has guards; so has [store.NewContext]), except those for
// documents that hold no secret: /openapi.json, a description of the API, and the page for people at /ui, who sign in there with a
// secret key. Handler panics when keys or guard is nil.
func Handler(keys *store.Keys, guard func(http.Handler) http.Handler) http.Handler {
	h, err := Config{}.Handler(keys, guard)
	if err != nil {
		panic(err)
	}
	return h
}

// Handler is the full form of the function of that name. It returns an error that matches store.ErrInvalid where that panics.
func (c Config) Handler(keys *store.Keys, guard func(http.Handler) http.Handler) (http.Handler, error) {
	if guard == nil {
		return nil, store.Errorf(store.ErrInvalid, "admin: Handler needs a guard: without one anybody could make keys")
	}
	a, err := c.newAPI(keys)
	if err != nil {
		return nil, err
	}
	guarded := guard(a)
	if guarded == nil {
		return nil, store.Errorf(store.ErrInvalid, "admin: the guard returned no handler")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer := a.outside(r); answer != nil {
			answer(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	}), nil
}

// api is the API behind its guard, and the documents outside of it.
type api struct {
	keys        *store.Keys
	actor       func(*http.Request) string
	crossOrigin *http.CrossOriginProtection
	channels    SalesChannels
	maxPage     int
	logger      *slog.Logger
	now         func() time.Time // the keys' clock, for the words now and today in filters and for times from now
	mux         *http.ServeMux
	documents   []document
}

func (c Config) newAPI(keys *store.Keys) (*api, error) {
	if keys == nil {
		return nil, store.Errorf(store.ErrInvalid, "admin: keys is nil")
	}
	if c.MaxPage < 0 {
		return nil, store.Errorf(store.ErrInvalid, "admin: MaxPage is negative")
	}
	a := &api{
		keys: keys, actor: c.Actor, crossOrigin: c.CrossOrigin, channels: c.SalesChannels, maxPage: c.MaxPage, logger: c.Logger, now: keys.Now,
		documents: documents(),
	}
	if a.actor == nil {
		a.actor = func(*http.Request) string { return "" }
	}
	if a.crossOrigin == nil {
		a.crossOrigin = http.NewCrossOriginProtection()
	}
	if v := reflect.ValueOf(a.channels); v.Kind() == reflect.Pointer && v.IsNil() {
		a.channels = nil // a nil pointer in an interface is no shop
	}
	if a.maxPage == 0 {
		a.maxPage = 10_000
	}
	if a.logger == nil {
		a.logger = slog.Default()
	}
	a.route()
	return a, nil
}
