package admin

import (
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/latchkey-go/latchkey/internal/guard"
	"github.com/latchkey-go/latchkey/store"
)

// Options are the settings of [New]. The zero value is ready to use.
type Options struct {
	// Guard stands in front of the API's own guard: keyauth.WithConfig(keyauth.Config{…}) with
	// other headers or limits, or the app's login. A key that it puts into the context is not
	// looked up again. A guard that lets all requests through admits none. Optional. Default: none.
	Guard func(next http.Handler) http.Handler
	// Actor returns who of the app's own staff makes the request ("user_123"), or "" for none. It
	// must believe only what the app's login has authenticated. Such principals have all rights,
	// appear in created_by and revoked_by, and, since browsers send their cookies unasked, must
	// pass CrossOrigin. Where the request has a key too, the key counts. Optional. Default: none.
	Actor func(*http.Request) string
	// CrossOrigin protects requests of Actors from other sites. Optional. Default:
	// http.NewCrossOriginProtection(), which allows none.
	CrossOrigin *http.CrossOriginProtection
	// Errors chooses the words of the API's own guard: keyauth.StandardErrors, MedusaErrors or
	// ProblemErrors. All other errors are in Medusa's words. Optional. Default: StandardErrors.
	Errors guard.ErrorStyle
	// NoPage leaves out the page for people at /ui. Optional. Default: false.
	NoPage bool
	// SalesChannels is where the shop keeps its sales channels. Optional. Default: none; any
	// channel can be linked and is shown with its id as its name.
	SalesChannels SalesChannels
	// MaxPage is the greatest number of keys in one answer of the list. A limit may be greater
	// (Medusa has no bound); when more keys than MaxPage would have to be shown, the answer is 400.
	// Optional. Default 10 000.
	MaxPage int
	// Logger gets the causes of 500 and 503, and of refusals. Optional. Default: slog.Default().
	Logger *slog.Logger
}

// New returns the API over keys. Its paths begin with /api-keys: strip what stands before them, or
// use Mount of package echoauth, which also passes the client's address from the app's
// IPExtractor.
//
// It guards itself: it admits secret keys, from Authorization or x-api-key, and Actors. Documents
// that hold no secret are for everybody: /openapi.json, and the page for people at /ui, who sign in
// there with a secret key.
//
// New panics with an error that matches store.ErrInvalid when keys is nil or an option is bad.
func New(keys *store.Keys, o Options) http.Handler {
	a, err := o.newAPI(keys)
	if err != nil {
		panic(err)
	}
	return a
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
	guarded     http.Handler // what is behind the guard of the app's, and then behind strict or optional
	strict      *guard.Guard
	optional    *guard.Guard // for requests of Actors, which may bring no key
}

func (o Options) newAPI(keys *store.Keys) (*api, error) {
	if keys == nil {
		return nil, store.Errorf(store.ErrInvalid, "admin: keys is nil")
	}
	if o.MaxPage < 0 {
		return nil, store.Errorf(store.ErrInvalid, "admin: MaxPage is negative")
	}
	a := &api{
		keys: keys, actor: o.Actor, crossOrigin: o.CrossOrigin, channels: o.SalesChannels, maxPage: o.MaxPage, logger: o.Logger, now: keys.Now,
		documents: documents(!o.NoPage),
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
	own := guard.Config{Keys: keys, Errors: o.Errors, Logger: a.logger}
	a.strict = guard.Must(own)
	own.Optional = true
	a.optional = guard.Must(own)
	a.route()
	a.guarded = http.HandlerFunc(a.serveGuarded)
	if o.Guard != nil {
		if a.guarded = o.Guard(a.guarded); a.guarded == nil {
			return nil, store.Errorf(store.ErrInvalid, "admin: Options.Guard returned no handler")
		}
	}
	return a, nil
}
