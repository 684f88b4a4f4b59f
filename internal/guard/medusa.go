package guard

import (
	"errors"
	"net/http"
	"strings"

	"github.com/latchkey-go/latchkey/store"
)

// medusaAnswerTo is the status table with Medusa's messages (observed with 2.21.2). storefront: the
// guard accepts publishable keys only, as Medusa's check of /store does, which never returns 401.
func medusaAnswerTo(err error, storefront bool) answer {
	a := answerTo(err)
	badKey := a.status == http.StatusUnauthorized || errors.Is(err, store.ErrWrongType)
	switch {
	case a.status == http.StatusServiceUnavailable:
	case storefront && errors.Is(err, ErrNoCredential):
		a = answer{status: http.StatusBadRequest, body: body{"not_allowed", "Publishable API key required in the request header: x-publishable-api-key. You can manage your keys in settings in the dashboard."}}
	case storefront && (badKey || errors.Is(err, ErrConflictingCredentials)):
		a = answer{status: http.StatusBadRequest, body: body{"not_allowed", "A valid publishable key is required to proceed with the request"}}
	case errors.Is(err, errSecretAsBearer):
		a.body = body{Message: "A secret API key was passed as a Bearer token. Secret API keys must be sent using HTTP Basic authentication instead (Authorization: Basic <secret-api-key>)."}
	case badKey: // with a challenge, which RFC 9110, 15.5.2 requires for 401
		a = answer{status: http.StatusUnauthorized, body: body{Message: "Unauthorized"}, challenge: true, code: a.code}
		if errors.Is(err, store.ErrWrongType) {
			a.code = "invalid_token"
		}
	}
	return a
}

// sendsSecretAsBearer reports whether a Bearer token looks like a secret key.
func sendsSecretAsBearer(r *http.Request) bool {
	for _, value := range r.Header[authorization] {
		if rest, ok := afterScheme(value, "Bearer"); ok && strings.HasPrefix(strings.TrimLeft(rest, " "), "sk_") {
			return true
		}
	}
	return false
}
