package admin

import (
	"context"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/latchkey-go/latchkey/store"
)

// route is one route of the API. A restricted key needs all of its scopes, which are separated by
// spaces.
type route struct {
	pattern string
	scopes  string
	endpoint
}

// routes returns all routes of the API. The routes without a guard are in documents.
func (a *api) routes() []route {
	return []route{
		{"GET /api-keys", ReadScope, serve(nil, a.readListQuery, a.list)},
		{"POST /api-keys", WriteScope, serve(readNewKey, readFields, a.create)},
		{"GET /api-keys/self", "", serve(nil, readFields, a.self)},
		{"POST /api-keys/self/revoke", "", serve(readRevokeIn, readFields, a.revokeSelf)},
		{"GET /api-keys/report", ReadScope, serve(nil, readReportQuery, a.report)},
		{"POST /api-keys/revoke", ReadScope + " " + WriteScope, serve(a.readRevocation, nil, a.revokeAll)},
		{"POST /api-keys/verify", VerifyScope, serve(readToken, readFields, a.verify)},
		{"GET /api-keys/{id}", ReadScope, serve(nil, readFields, a.retrieve)},
		{"POST /api-keys/{id}", WriteScope, serve(readPatch, readFields, a.update)},
		{"DELETE /api-keys/{id}", WriteScope, serve(nil, nil, a.remove)},
		{"GET /api-keys/{id}/events", ReadScope, serve(nil, readEventsQuery, a.events)},
		{"POST /api-keys/{id}/revoke", WriteScope, serve(readRevokeIn, readFields, a.revoke)},
		{"POST /api-keys/{id}/roll", WriteScope, serve(readRoll, readFields, a.roll)},
		{"POST /api-keys/{id}/sales-channels", WriteScope, serve(readLinks, readFields, a.link)},
	}
}

// anyPath is the pattern for requests that match no route.
const anyPath = "/"

func (a *api) route() {
	a.mux = http.NewServeMux()
	for _, rt := range a.routes() {
		a.mux.Handle(rt.pattern, a.enter(rt.scopes, rt.answer))
	}
	a.mux.Handle(anyPath, a.enter("", a.noRoute))
}

// enter passes admitted requests to an endpoint. It does not read bodies of others. The endpoint
// repeats the check after it has read the body, for which a client can take its time.
func (a *api) enter(scopes string, answer func(http.ResponseWriter, *http.Request, admission) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, err := a.admit(r, scopes)
		if err == nil {
			err = answer(w, r.WithContext(ctx), func() (context.Context, error) { return a.admitAgain(r, scopes) })
		} else {
			leaveBody(w, r)
		}
		if err != nil {
			a.fail(w, r, err)
		}
	})
}

// Routes returns the patterns of all routes and documents, for routers that keep a list.
func (a *api) Routes() (patterns []string) {
	for _, rt := range a.routes() {
		patterns = append(patterns, rt.pattern)
	}
	for _, d := range a.documents {
		if !d.part {
			patterns = append(patterns, "GET "+d.path)
		}
	}
	return patterns
}

// ServeHTTP answers with a document, or behind the guards.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if answer := a.outside(r); answer != nil {
		answer(w, r)
		return
	}
	a.guarded.ServeHTTP(w, r)
}

// serveGuarded asks the API's own guard, unless another one has put a key into the context already.
func (a *api) serveGuarded(w http.ResponseWriter, r *http.Request) {
	if _, ok := store.FromContext(r.Context()); !ok {
		own := a.strict
		if a.actor(r) != "" {
			own = a.optional
		}
		next, refused := own.Authenticate(w.Header(), r, nil)
		if refused != nil {
			leaveBody(w, r)
			refused.Write(w)
			return
		}
		r = next
	}
	a.serveRoute(w, r)
}

// serveRoute finds the route. As in Medusa, a slash at the end does not matter. Other paths that
// are not clean are unknown; the mux would redirect them.
func (a *api) serveRoute(w http.ResponseWriter, r *http.Request) {
	escaped := r.URL.EscapedPath()
	trimmed := strings.TrimSuffix(escaped, "/")
	if trimmed != "" && path.Clean(trimmed) != trimmed {
		a.enter("", a.noRoute).ServeHTTP(w, r)
		return
	}
	if trimmed != "" && trimmed != escaped {
		u := *r.URL
		u.Path = strings.TrimSuffix(u.Path, "/")
		u.RawPath = strings.TrimSuffix(u.RawPath, "/")
		r = r.WithContext(r.Context())
		r.URL = &u
	}
	a.mux.ServeHTTP(w, r)
}

// noRoute answers 405 if another method has a route, otherwise 404.
func (a *api) noRoute(w http.ResponseWriter, r *http.Request, _ admission) error {
	leaveBody(w, r)
	var allowed []string
	for _, method := range []string{http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPost} {
		probe := r.WithContext(r.Context())
		probe.Method = method
		if _, pattern := a.mux.Handler(probe); pattern != anyPath {
			allowed = append(allowed, method)
		}
	}
	// A method that is allowed is here because the path is not clean.
	if len(allowed) == 0 || slices.Contains(allowed, r.Method) {
		return &refusal{status: http.StatusNotFound, body: typed("not_found", "There is no such route")}
	}
	return &refusal{
		status: http.StatusMethodNotAllowed,
		body:   typed("not_allowed", "The route does not take this method"),
		header: []string{"Allow", strings.Join(allowed, ", ")},
	}
}
