package middleware

import "net/http"

// Handler puts the guard around next, for net/http, chi, Echo v5 and every router that takes func(http.Handler) http.Handler. The key
// is in the request's context ([KeyFrom]). It panics on a bad config; [Config.ToHandler] returns the error.
func (c Config) Handler(next http.Handler) http.Handler {
	wrap, err := c.ToHandler()
	if err != nil {
		panic(err)
	}
	return wrap(next)
}

// ToHandler returns what [Config.Handler] does as a function, or an error that matches store.ErrInvalid: the config is bad, or has
// a Skipper, which only Echo can ask.
func (c Config) ToHandler() (func(next http.Handler) http.Handler, error) {
	if c.Skipper != nil {
		return nil, invalid("Config.Skipper takes an echo.Context and cannot be asked in net/http: put the guard around fewer routes")
	}
	g, err := c.guard()
	if err != nil {
		return nil, err
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r, refused := g.authenticate(w.Header(), r, nil)
			if refused != nil {
				refused.write(w)
				return
			}
			next.ServeHTTP(w, r)
		})
	}, nil
}

// RequireHandler is [Require] for net/http.
func RequireHandler(scopes ...string) func(next http.Handler) http.Handler {
	scopes = checkRequired(scopes)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if refused := requireKey(w.Header(), r, scopes); refused != nil {
				refused.write(w)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// write writes status and body.
func (f *refusal) write(w http.ResponseWriter) {
	if h := w.Header(); !f.exact {
		h.Set("Content-Type", "application/json")
	}
	w.WriteHeader(f.status)
	_, _ = w.Write(f.body.json()) // a client that is gone is no matter of ours
}
