package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/latchkey-go/latchkey/store"
)

// body is the JSON body of a refusal.
type body struct {
	Type    string `json:"type,omitempty"`
	Message string `json:"message"`
}

// problem is the body of a refusal in the format of RFC 9457, of type about:blank. Code is an
// extension.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
}

// answer is the HTTP response of a refusal.
type answer struct {
	status int
	body   body
	// challenge adds WWW-Authenticate, with code as its error attribute and scope as its scope
	// attribute if not "".
	challenge   bool
	code, scope string
	retry       bool // adds Retry-After
}

// answerTo is the status table: the only place that maps errors to HTTP responses. Refusals that
// clients must not be able to distinguish share a row. An unknown error is 503, because it says
// nothing about the key.
func answerTo(err error) answer {
	var lacking *scopeError
	switch {
	case errors.Is(err, store.ErrUnavailable): // first: nothing is known about the key, even if err wraps another error
		return undecided()
	case errors.Is(err, ErrNoCredential): // RFC 6750, 3.1: no error code when no credential was sent
		return answer{status: http.StatusUnauthorized, body: body{"unauthorized", "Unauthorized"}, challenge: true}
	case errors.Is(err, store.ErrUnauthenticated), errors.Is(err, errSecretAsBearer):
		return answer{status: http.StatusUnauthorized, body: body{"unauthorized", "Unauthorized"}, challenge: true, code: "invalid_token"}
	case errors.Is(err, ErrConflictingCredentials):
		return answer{status: http.StatusBadRequest, body: body{"invalid_request", "Two different API keys were sent; send one"}, challenge: true, code: "invalid_request"}
	case errors.Is(err, store.ErrWrongType):
		return forbidden("This type of API key is not accepted here")
	case errors.As(err, &lacking):
		a := forbidden("The API key lacks a required scope: " + lacking.scopes())
		a.scope = lacking.scopes()
		return a
	case errors.Is(err, ErrAddressNotAllowed):
		return forbidden("The API key may not be used from this address")
	case errors.Is(err, ErrForeignOrigin):
		return forbidden("A secret API key may not be used by a browser page of another origin: everybody who opens the page can read it")
	case errors.Is(err, ErrPlainHTTP): // no challenge: it would invite the client to send the key again
		return answer{status: http.StatusForbidden, body: body{"forbidden", "HTTPS is required; replace any API key that was sent over plain HTTP"}}
	case errors.Is(err, ErrRateLimited):
		return tooMany("Too many requests; try again later")
	case errors.Is(err, ErrTooManyFailures):
		return tooMany("Too many failed attempts from this address; try again later")
	default:
		return undecided()
	}
}

func forbidden(message string) answer {
	return answer{status: http.StatusForbidden, body: body{"forbidden", message}, challenge: true, code: "insufficient_scope"}
}

// tooMany has no challenge: another credential would not help.
func tooMany(message string) answer {
	return answer{status: http.StatusTooManyRequests, body: body{"too_many_requests", message}, retry: true}
}

func undecided() answer {
	return answer{status: http.StatusServiceUnavailable, body: body{"unavailable", "The API key cannot be checked at the moment; try again"}, retry: true}
}

// setHeaders sets the headers of the answer, except Content-Type.
func (a answer) setHeaders(h http.Header, realm, retryAfter string) {
	h.Set("Cache-Control", "no-store")
	if a.retry {
		h.Set("Retry-After", retryAfter)
	}
	if !a.challenge {
		return
	}
	value := "Bearer" + realm
	if a.code != "" {
		if realm != "" {
			value += ","
		}
		value += ` error="` + a.code + `"`
	}
	if a.scope != "" {
		value += `, scope="` + a.scope + `"`
	}
	h.Set("WWW-Authenticate", value)
}

// encode returns v as Medusa writes it: without a newline at the end, and with < and > not escaped.
func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}
