package keyauth

import (
	"net/http"

	"github.com/latchkey-go/latchkey/internal/guard"
)

// An Extractor reads one place of a request. It appends the credentials in that place to found and
// returns them, with the canonical name of the header that it reads, or "" if it reads no header.
// The name is used for Vary and must be the same for every request; the guard gets it with one call
// on an empty request.
//
// It must return every value in its place, also malformed ones: the guard detects conflicts. Empty
// values count as absent. It must not read the request's body, because the client is not
// authenticated yet.
type Extractor = func(r *http.Request, found []string) (header string, credentials []string)

// Bearer reads "Authorization: Bearer sk_…" (RFC 6750, section 2.1). The scheme's case does not
// matter.
func Bearer(r *http.Request, found []string) (string, []string) {
	return guard.ReadHeader(r, found, "Authorization", guard.Bearer)
}

// Basic reads the key as Medusa's clients send it: "Authorization: Basic sk_…", or in base64 as the
// user name without a password (curl -u sk_…:), with or without colon and padding. As in Medusa,
// only the part before the second space counts. A password makes the credential malformed. The
// scheme's case does not matter.
func Basic(r *http.Request, found []string) (string, []string) {
	return guard.ReadHeader(r, found, "Authorization", guard.Basic)
}

// Header reads the whole value of a header, for example "x-api-key".
func Header(name string) Extractor {
	name = http.CanonicalHeaderKey(name)
	return func(r *http.Request, found []string) (string, []string) {
		return guard.ReadHeader(r, found, name, guard.Whole)
	}
}

// Query reads a parameter of the URL. URLs are stored in logs, histories and Referer headers: use
// it only for publishable keys, or if the client can send nothing else.
func Query(name string) Extractor {
	return func(r *http.Request, found []string) (string, []string) {
		if r.URL.RawQuery == "" {
			return "", found
		}
		return "", append(found, r.URL.Query()[name]...)
	}
}

// Cookie reads a cookie. Browsers also send cookies with requests that other sites cause: set
// ForbidBrowserOrigins, or protect the routes with http.CrossOriginProtection.
func Cookie(name string) Extractor {
	return func(r *http.Request, found []string) (string, []string) {
		for _, cookie := range r.CookiesNamed(name) {
			found = append(found, cookie.Value)
		}
		return "Cookie", found
	}
}
