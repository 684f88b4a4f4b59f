package guard

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// Mounted is what Mount of a door leaves in the context of a request for its handler.
type Mounted struct {
	Prefix   string                       // the pattern of what stands before the handler's paths
	Pattern  string                       // the pattern of the route
	ClientIP func(r *http.Request) string // nil: the door does not know

	mu   sync.Mutex
	door any // the door's own context, which is used again when the request is over
}

type mountedKey struct{}

// unmounted stands for all requests that have come through no Mount.
var unmounted Mounted

// mounted returns what Mount has left in the context of r, or the zero Mounted and false.
func mounted(r *http.Request) (*Mounted, bool) {
	if m, ok := r.Context().Value(mountedKey{}).(*Mounted); ok {
		return m, true
	}
	return &unmounted, false
}

// Pattern returns the pattern of the request's route, from its door or from net/http.
func Pattern(r *http.Request) string {
	if m, ok := mounted(r); ok {
		return m.Pattern
	}
	return r.Pattern
}

// Door returns the context of the door that the request came through, or nil when it came through
// none or is over.
func Door(r *http.Request) any {
	m, _ := mounted(r)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.door
}

// Serve serves a request below a prefix with h, as if the prefix were not there. Echo matches the
// escaped path where there is one, and a parameter is one segment: so many segments are left out,
// and an encoded slash stays one.
func (m *Mounted) Serve(w http.ResponseWriter, r *http.Request, h http.Handler, door any) {
	m.door = door
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.door = nil
	}()
	u := *r.URL
	for range strings.Count(m.Prefix, "/") {
		u.Path, u.RawPath = rest(u.Path), rest(u.RawPath)
	}
	if decoded, err := url.PathUnescape(u.RawPath); r.URL.RawPath != "" && err == nil {
		u.Path = decoded
	}
	if u.Path == "" {
		u.Path = "/"
	}
	r = r.WithContext(context.WithValue(r.Context(), mountedKey{}, m))
	r.URL = &u
	h.ServeHTTP(w, r)
}

// rest returns the path without its first segment.
func rest(path string) string {
	if i := strings.IndexByte(strings.TrimPrefix(path, "/"), '/'); i >= 0 {
		return strings.TrimPrefix(path, "/")[i:]
	}
	return ""
}

// A Route is what an Echo router needs to know about one of a handler.
type Route struct{ Method, Path string }

// Routes returns the routes that h has by its own account, HEAD beside every GET: by their own
// paths they are in Echo's list, and what reads that (metrics, CORS) knows them.
func Routes(h http.Handler) []Route {
	listed, ok := h.(interface{ Routes() []string })
	if !ok {
		return nil
	}
	var all []Route
	for _, pattern := range listed.Routes() {
		method, path, _ := strings.Cut(pattern, " ")
		path = strings.NewReplacer("{", ":", "}", "").Replace(path)
		all = append(all, Route{method, path})
		if method == http.MethodGet {
			all = append(all, Route{http.MethodHead, path})
		}
	}
	return all
}
