package guard

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// Mounted is the information that a door's Mount adds to the context of a request.
type Mounted struct {
	Prefix   string                       // the pattern of the prefix before the handler's paths
	Pattern  string                       // the pattern of the route
	ClientIP func(r *http.Request) string // nil: the door does not know

	mu   sync.Mutex
	door any // the door's own context, which the framework reuses after the request
}

type mountedKey struct{}

// unmounted is used for all requests that did not come through a Mount.
var unmounted Mounted

// mounted returns the Mounted of r and true, or an empty one and false.
func mounted(r *http.Request) (*Mounted, bool) {
	if m, ok := r.Context().Value(mountedKey{}).(*Mounted); ok {
		return m, true
	}
	return &unmounted, false
}

// Pattern returns the route pattern of the request, from its door or from net/http.
func Pattern(r *http.Request) string {
	if m, ok := mounted(r); ok {
		return m.Pattern
	}
	return r.Pattern
}

// Door returns the context of the request's door, or nil if there is no door or the request has
// ended.
func Door(r *http.Request) any {
	m, _ := mounted(r)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.door
}

// Serve serves a request with h as if the prefix of its path did not exist. Echo matches the
// escaped path if there is one, and a parameter is one segment. So Serve removes as many segments
// as the prefix has, and an encoded slash is not a separator.
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

// A Route is a route of a handler, for an Echo router.
type Route struct{ Method, Path string }

// Routes returns the routes that h lists, with HEAD for every GET. With them Echo's route list is
// complete, for middlewares that read it (metrics, CORS).
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
