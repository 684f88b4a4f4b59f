package middleware

import (
	"encoding/base64"
	"net/http"
	"strings"
)

const authorization = "Authorization"

// An Extractor reads one place of a request. It appends the credentials that it finds there to found and returns them, with the
// canonical name of the header that it reads, or "" if it reads none: that name goes into Vary and must be the same for
// every request (it is asked once with an empty one).
//
// It must return every value that its place holds, malformed ones too: the guard tells conflicts and refusals. Empty values count as
// absent. It must not read the request's body: nobody's body is read before he is authenticated.
type Extractor func(r *http.Request, found []string) (header string, credentials []string)

// Bearer reads "Authorization: Bearer sk_…" (RFC 6750, section 2.1). The scheme's case does not matter.
func Bearer(r *http.Request, found []string) (string, []string) {
	return readHeader(r, found, authorization, bearer)
}

// Basic reads the key as Medusa's clients send it: "Authorization: Basic sk_…", or in base64 as the user name without a password
// (curl -u sk_…:), with or without colon and padding. As in Medusa, only the part up to the second space counts. A password
// makes the credential malformed. The scheme's case does not matter.
func Basic(r *http.Request, found []string) (string, []string) {
	return readHeader(r, found, authorization, basic)
}

// Header reads the whole value of a header, "x-api-key" for example.
func Header(name string) Extractor {
	name = http.CanonicalHeaderKey(name)
	return func(r *http.Request, found []string) (string, []string) {
		return readHeader(r, found, name, whole)
	}
}

// A notation reads the credential in one value of a header. Not ok: the value is none of its business.
type notation func(value string) (credential string, ok bool)

func readHeader(r *http.Request, found []string, name string, read notation) (string, []string) {
	for _, value := range r.Header[name] {
		if credential, ok := read(value); ok {
			found = append(found, credential)
		}
	}
	return name, found
}

func bearer(value string) (string, bool) {
	rest, ok := afterScheme(value, "Bearer")
	return strings.TrimLeft(rest, " "), ok
}

func basic(value string) (string, bool) {
	rest, ok := afterScheme(value, "Basic")
	if !ok {
		return "", false
	}
	rest, _, _ = strings.Cut(rest, " ")
	return strings.TrimSuffix(fromBase64(rest), ":"), true
}

func whole(value string) (string, bool) { return strings.Trim(value, " \t"), true }

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

// afterScheme returns what follows the scheme and a space, if the value has that scheme (RFC 9110, section 11.1: in any case).
func afterScheme(value, scheme string) (string, bool) {
	n := len(scheme)
	if len(value) <= n || value[n] != ' ' || value[:n] != scheme && !strings.EqualFold(value[:n], scheme) {
		return "", false
	}
	return value[n+1:], true
}

// maxBasic bounds what is decoded: more than the longest token and a colon need.
const maxBasic = 256

// fromBase64 returns s decoded, or s itself when it is a key as it stands or cannot be decoded.
func fromBase64(s string) string {
	if looksLikeKey(s) || len(s) > maxBasic {
		return s
	}
	var buf [maxBasic]byte
	n, err := base64.RawStdEncoding.Decode(buf[:], []byte(strings.TrimRight(s, "=")))
	if err != nil {
		return s
	}
	return string(buf[:n])
}

// couldBeKey reports whether s begins as our tokens do, as it stands or in the base64 that
// fromBase64 gave back because it is too long or damaged.
func couldBeKey(s string) bool {
	return looksLikeKey(s) || strings.HasPrefix(s, "c2tf") || strings.HasPrefix(s, "cGtf") // sk_, pk_
}

// looksLikeKey reports whether s begins as our tokens do. What follows may still be anything.
func looksLikeKey(s string) bool { return strings.HasPrefix(s, "sk_") || strings.HasPrefix(s, "pk_") }
