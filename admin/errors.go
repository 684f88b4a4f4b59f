package admin

import (
	"errors"
	"net/http"
	"strings"

	"github.com/latchkey-go/latchkey/internal/guard"
	"github.com/latchkey-go/latchkey/store"
)

// outcome is how an error of package store is told.
type outcome struct {
	err     error
	status  int
	typ     string
	message string // where the error brings none that is fit to be shown
}

// outcomes returns the one table of errors and statuses. The first line that the error matches counts; what matches none is a 500.
func outcomes() []outcome {
	return []outcome{
		{store.ErrUnavailable, http.StatusServiceUnavailable, "unavailable", "The service cannot answer now. Try again."},
		{store.ErrInvalid, http.StatusBadRequest, "invalid_data", "The request is not valid."},
		{store.ErrNotAllowed, http.StatusBadRequest, "not_allowed", "The state of the key does not allow this."},
		{store.ErrNotFound, http.StatusNotFound, "not_found", "Not found"},
		{store.ErrForged, http.StatusBadRequest, "not_allowed", "The key's record was not written by this system. It can be revoked and deleted, not rolled."},
		{store.ErrForbidden, http.StatusForbidden, "forbidden", "Forbidden"},
		// The key in use was let in by the guard and has ended since.
		{store.ErrUnauthenticated, http.StatusUnauthorized, "unauthorized", "Unauthorized"},
		{store.ErrConflict, http.StatusConflict, "conflict", "The id or the token is taken."},
	}
}

// refusal is an answer that is not the store's to give. Header fields are name, value.
type refusal struct {
	status int
	body   members
	header []string
}

func (e *refusal) Error() string { return http.StatusText(e.status) }

// typed is the body of an application error.
func typed(typ, message string) members {
	return members{{"type", typ}, {"message", message}}
}

// BodyError says why a body could not be read. As JSON it is the answer of Medusa's body parser, whose members stand in another order
// than those of all other errors.
type BodyError struct {
	Message string `json:"message"`
	Type    string `json:"type"` // invalid_data or unknown_error
	Status  int    `json:"-"`    // 400, 408, 413 or 415
}

// Error returns the message, which holds nothing of the body.
func (e *BodyError) Error() string { return e.Message }

// unreadable refuses a body that was not understood.
func unreadable(status int, message, typ string) error {
	return &BodyError{Status: status, Message: store.RedactTokens(message), Type: typ} // a header can hold anything
}

// fail answers with an error. Causes that are not the client's are told to the log alone.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	var unread *BodyError
	if errors.As(err, &unread) {
		respond(w, unread.Status, members{{"message", unread.Message}, {"type", unread.Type}})
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
	for _, o := range outcomes() {
		if !errors.Is(err, o.err) {
			continue
		}
		message := o.message
		var told *store.Error
		if errors.As(err, &told) && errors.Is(told.Kind, o.err) {
			message = told.Message
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
	respond(w, http.StatusInternalServerError, members{
		{"code", "unknown_error"}, {"type", "unknown_error"}, {"message", "An unknown error occurred."},
	})
}

// maxMessage bounds what an error repeats of a request, in bytes. Honest mistakes are shorter.
const maxMessage = 8 << 10

// shortened cuts a message that is too long, between characters.
func shortened(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + "…"
}

// log tells of a failure by the route's pattern: paths and queries are the client's to fill. That a client went away is no failure.
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
