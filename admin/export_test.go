package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// Route is a line of the route table, for tests that must not miss one.
type Route struct {
	Pattern, Scopes string
	Body, Query     []string // the fields that are taken
}

// Routes returns the route table.
func Routes(keys *store.Keys) []Route {
	a, err := Options{}.newAPI(keys)
	if err != nil {
		panic(err)
	}
	var list []Route
	for _, r := range a.routes() {
		list = append(list, Route{r.pattern, r.scopes, r.body, r.query})
	}
	return list
}

// Attribute is a row of the table of attributes, for tests that must not miss one.
type Attribute struct {
	Name                  string
	Own, Settable, Filter bool
	Uncached              bool
	Show                  func(*store.Key) any
}

// Attributes returns the table.
func Attributes() (list []Attribute) {
	for _, a := range attributes {
		list = append(list, Attribute{a.name, a.own, a.create != nil && a.update != nil, a.texts != nil, a.uncached, a.show})
	}
	return list
}

// Documents returns the paths that stand outside the guard.
func Documents() (paths []string) {
	for _, d := range documents(true) {
		paths = append(paths, d.path)
	}
	return paths
}

// Fail answers with err as an endpoint's error is answered.
func Fail(c Options, keys *store.Keys, w http.ResponseWriter, r *http.Request, err error) {
	a, apiErr := c.newAPI(keys)
	if apiErr != nil {
		panic(apiErr)
	}
	a.fail(w, r, err)
}

// WithBodyTime gives the bodies of the handler's requests that much time to come.
func WithBodyTime(d time.Duration, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), bodyTimeKey{}, d)))
	})
}

// ReadAdminBody reads a body as the admin routes do.
func ReadAdminBody(w http.ResponseWriter, r *http.Request) error {
	_, err := readBody(w, r)
	return err
}
