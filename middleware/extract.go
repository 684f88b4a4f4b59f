package keyauth

import (
	"net/http"

	"github.com/latchkey-go/latchkey/internal/guard"
)

// An Extractor reads one place of a request. It appends the credentials that it finds there to found and returns them, with the
// canonical name of the header that it reads, or "" if it reads none: that name goes into Vary and must be the same for
// every request (it is asked once with an empty one).
//
// It must return every value that its place holds, malformed ones too: the guard tells conflicts and refusals. Empty values count as
// absent. It must not read the request's body: nobody's body is read before he is authenticated.
type Extractor = func(r *http.Request, found []string) (header string, credentials []string)

// Bearer reads "Authorization: Bearer sk_…" (RFC 6750, section 2.1). The scheme's case does not matter.
func Bearer(r *http.Request, found []string) (string, []string) {
	return guard.ReadHeader(r, found, "Authorization", guard.Bearer)
}

// Basic reads the key as Medusa's clients send it: "Authorization: Basic sk_…", or in base64 as the user name without a password
// (curl -u sk_…:), with or without colon and padding. As in Medusa, only the part up to the second space counts. A password
// makes the credential malformed. The scheme's case does not matter.
func Basic(r *http.Request, found []string) (string, []string) {
	return guard.ReadHeader(r, found, "Authorization", guard.Basic)
}

// Header reads the whole value of a header, "x-api-key" for example.
func Header(name string) Extractor {
	name = http.CanonicalHeaderKey(name)
	return func(r *http.Request, found []string) (string, []string) {
		return guard.ReadHeader(r, found, name, guard.Whole)
	}
}

// Query reads a parameter of the URL. URLs end up in logs, histories and Referer headers: use it only for publishable keys, or where
// the client can send nothing else.
func Query(name string) Extractor {
	return func(r *http.Request, found []string) (string, []string) {
		if r.URL.RawQuery == "" {
			return "", found
		}
		return "", append(found, r.URL.Query()[name]...)
	}
}

// Cookie reads a cookie. Browsers send cookies by themselves, also when another site asks them to: set ForbidBrowserOrigins, or
// guard the routes with http.CrossOriginProtection.
func Cookie(name string) Extractor {
	return func(r *http.Request, found []string) (string, []string) {
		for _, cookie := range r.CookiesNamed(name) {
			found = append(found, cookie.Value)
		}
		return "Cookie", found
	}
}
