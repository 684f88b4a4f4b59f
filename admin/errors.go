package admin

import (
	"errors"
	"net/http"
	"strings"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/internal/guard"
	"github.com/latchkey-go/latchkey/store"
)

// outcome is the answer to an error of package store.
type outcome struct {
	err     error
	status  int
	typ     string
	message string // if the error has no message for clients
}

// outcomes is the table of errors and statuses. The first match counts; other errors are 500.
var outcomes = []outcome{
	{store.ErrUnavailable, http.StatusServiceUnavailable, "unavailable", "The service cannot answer now. Try again."},
	{store.ErrInvalid, http.StatusBadRequest, "invalid_data", "The request is not valid."},
	{store.ErrNotAllowed, http.StatusBadRequest, "not_allowed", "The state of the key does not allow this."},
	{store.ErrNotFound, http.StatusNotFound, "not_found", "Not found"},
	{
		store.ErrForged, http.StatusBadRequest, "not_allowed",
		"The key's record was not written by this system. It can be revoked and deleted, not rolled.",
	},
	{store.ErrForbidden, http.StatusForbidden, "forbidden", "Forbidden"},
	// The key of the request was revoked or has expired after the guard accepted it.
	{store.ErrUnauthenticated, http.StatusUnauthorized, "unauthorized", "Unauthorized"},
	{store.ErrConflict, http.StatusConflict, "conflict", "The id or the token is taken."},
}

// refusal is an error with its answer. The header alternates between names and values.
type refusal struct {
	status int
	body   medusa.Members
	header []string
}

func (e *refusal) Error() string { return http.StatusText(e.status) }

// typed is the body of an application error.
func typed(typ, message string) medusa.Members {
	return medusa.Members{{"type", typ}, {"message", message}}
}

// invalid returns an error of package medusa as one that matches store.ErrInvalid.
func invalid(err error) error { return store.Errorf(store.ErrInvalid, "%s", err) }

// fail answers with an error. Only the log has the causes of 500 and 503.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	var unread *medusa.BodyError
	if errors.As(err, &unread) {
		respond(w, unread.Status, medusa.Members{{"message", unread.Message}, {"type", unread.Type}})
		return
	}
	var refused *refusal
	if errors.As(err, &refused) {
		for i := 0; i+1 < len(refused.header); i += 2 {
			w.Header().Set(refused.header[i], refused.header[i+1])
		}
		respond(w, refused.status, refused.body)
		return
	}
	for _, o := range outcomes {
		if !errors.Is(err, o.err) {
			continue
		}
		message := o.message
		var known *store.Error
		if errors.As(err, &known) && errors.Is(known.Kind, o.err) {
			message = known.Message
		}
		if o.status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "1")
			a.log(r, "latchkey: an admin request could not be decided", err)
		}
		if o.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		}
		respond(w, o.status, typed(o.typ, shortened(message)))
		return
	}
	a.log(r, "latchkey: an admin request failed", err)
	respond(w, http.StatusInternalServerError, medusa.Members{
		{"code", "unknown_error"}, {"type", "unknown_error"}, {"message", "An unknown error occurred."},
	})
}

// maxMessage bounds how much of a request an error repeats, in bytes.
const maxMessage = 8 << 10

// shortened cuts a message that is too long between two characters.
func shortened(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + "…"
}

// log writes the cause of a 500 or 503. It names the route's pattern: clients choose the path and
// the query. A client that has gone away is not a failure.
func (a *api) log(r *http.Request, what string, err error) {
	if r.Context().Err() != nil {
		return
	}
	attrs := []any{"route", guard.Pattern(r), "error", err}
	if key, ok := store.FromContext(r.Context()); ok {
		attrs = append(attrs, "key_id", key.ID)
	}
	a.logger.ErrorContext(r.Context(), what, attrs...)
}
