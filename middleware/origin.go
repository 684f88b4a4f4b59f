package middleware

import (
	"net/http"
	"net/url"
	"strings"
)

// isPreflight reports whether the request is a CORS preflight: an OPTIONS that names an origin and a method to come (Fetch
// standard, 3.3.2). Browsers send it without credentials, so no guard can ask for any. A bare OPTIONS is a request like others.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
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
