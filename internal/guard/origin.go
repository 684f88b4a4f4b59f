package guard

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
)

// isPreflight reports whether the request is a CORS preflight: an OPTIONS with an origin and a
// requested method (Fetch standard, 3.3.2). Browsers send it without credentials, and any client
// can forge one, even with a body. So it counts as a request without a credential. A plain OPTIONS
// is an ordinary request.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// PreflightWarned is per process and not per guard, because an app with many guards has one place
// to change.
var PreflightWarned atomic.Bool

// warnOfPreflight logs, once per process, how to configure CORS. With CORS in front of the guard,
// no preflight arrives here.
func warnOfPreflight(ctx context.Context, log *slog.Logger) {
	if log.Enabled(ctx, slog.LevelWarn) && PreflightWarned.CompareAndSwap(false, true) {
		log.WarnContext(ctx, "latchkey: a CORS preflight was refused; if browser pages of other origins use this API, "+
			"put CORS in front of the guard, or set Config.PassPreflights where CORS stands behind it (logged once per process)")
	}
}

// isForeign reports whether a browser says that the request comes from a page of another origin.
// Other clients send neither of the two headers.
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
