package guard

import (
	"encoding/base64"
	"net/http"
	"strings"
)

const authorization = "Authorization"

// Extractor is keyauth.Extractor.
type Extractor = func(r *http.Request, found []string) (header string, credentials []string)

// A Notation reads the credential in one value of a header. If ok is false, the value has another
// notation.
type Notation func(value string) (credential string, ok bool)

// ReadHeader appends the credentials in a header that have the notation.
func ReadHeader(r *http.Request, found []string, name string, read Notation) (string, []string) {
	for _, value := range r.Header[name] {
		if credential, ok := read(value); ok {
			found = append(found, credential)
		}
	}
	return name, found
}

// Bearer is the notation of RFC 6750, section 2.1.
func Bearer(value string) (string, bool) {
	rest, ok := afterScheme(value, "Bearer")
	return strings.TrimLeft(rest, " "), ok
}

// Basic is the notation of Medusa's clients; keyauth.Basic documents it.
func Basic(value string) (string, bool) {
	rest, ok := afterScheme(value, "Basic")
	if !ok {
		return "", false
	}
	rest, _, _ = strings.Cut(rest, " ")
	return strings.TrimSuffix(fromBase64(rest), ":"), true
}

// Whole returns the whole value, trimmed.
func Whole(value string) (string, bool) { return strings.Trim(value, " \t"), true }

// afterScheme returns the text after the scheme and a space, if the value has that scheme. The case
// of the scheme does not matter (RFC 9110, section 11.1).
func afterScheme(value, scheme string) (string, bool) {
	n := len(scheme)
	if len(value) <= n || value[n] != ' ' || value[:n] != scheme && !strings.EqualFold(value[:n], scheme) {
		return "", false
	}
	return value[n+1:], true
}

// maxBasic is the maximum length that is decoded: more than the longest token and a colon need.
const maxBasic = 256

// fromBase64 returns s decoded, or s itself if it already looks like a key or cannot be decoded.
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

// couldBeKey reports whether s begins like a token, also in base64 that fromBase64 could not decode
// (too long or damaged).
func couldBeKey(s string) bool {
	return looksLikeKey(s) || strings.HasPrefix(s, "c2tf") || strings.HasPrefix(s, "cGtf") // sk_, pk_
}

// looksLikeKey reports whether s begins like a token. The rest is not checked.
func looksLikeKey(s string) bool { return strings.HasPrefix(s, "sk_") || strings.HasPrefix(s, "pk_") }
