package guard

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
)

// isPreflight reports whether the request is a CORS preflight: an OPTIONS that names an origin and
// a method to come (Fetch standard, 3.3.2). Browsers send it without credentials, and everybody can
// forge one, with a body too: it counts as a request without a credential. A bare OPTIONS is a
// request like others.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// PreflightWarned is of the process and not of a guard: an app with many guards has one place to
// change.
var PreflightWarned atomic.Bool

// warnOfPreflight says once in a process what to do. Where CORS stands in front, no preflight comes
// here.
func warnOfPreflight(ctx context.Context, log *slog.Logger) {
	if log.Enabled(ctx, slog.LevelWarn) && PreflightWarned.CompareAndSwap(false, true) {
		log.WarnContext(ctx, "latchkey: a CORS preflight was refused; if browser pages of other origins use this API, "+
			"put CORS in front of the guard, or set Config.PassPreflights where CORS stands behind it (logged once per process)")
	}
}

// isForeign reports whether a browser says that the request comes from a page of another origin. Other clients send neither header.
func isForeign(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site != "same-origin" && site != "none"
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin) // "null" has no host
	return err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host)
}
