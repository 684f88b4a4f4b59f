package guard

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/latchkey-go/latchkey/store"
)

// Answer is keyauth.Refusal.
type Answer = struct {
	Status int
	Header http.Header
	Body   any
	Err    error
}

// Refusal is the response to a refused request. Its headers are already set; a door writes the
// status and the body. It is an error that Echo v5 and its error handlers can write.
type Refusal struct {
	Answer
	Message string // the message of the standard body
	Sent    bool   // the door has already sent it
}

// Error returns the text of the cause, which contains no token.
func (f *Refusal) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f *Refusal) Unwrap() error { return f.Err }

// StatusCode returns the status.
func (f *Refusal) StatusCode() int { return f.Status }

// MarshalJSON returns the body.
func (f *Refusal) MarshalJSON() ([]byte, error) {
	if text, ok := f.Exact(); ok {
		return text, nil
	}
	return encode(f.Body)
}

// Exact returns the body and true if it must be sent unchanged. Any other body may be written by
// the app's error handler.
func (f *Refusal) Exact() ([]byte, bool) {
	text, ok := f.Body.([]byte)
	return text, ok
}

// Write writes the status and the body, as Echo's error handlers do, unless they have been sent.
func (f *Refusal) Write(w http.ResponseWriter) {
	if f.Sent {
		return
	}
	text, exact := f.Exact()
	if !exact {
		if h := w.Header(); h.Get("Content-Type") == "" {
			h.Set("Content-Type", "application/json")
		}
		text, _ = json.Marshal(f) // a body of the app that cannot be encoded is omitted
		text = append(text, '\n')
	}
	w.WriteHeader(f.Status)
	_, _ = w.Write(text) // the client may have gone
}

// plain is used where no guard has accepted the request.
var plain = &Guard{retryAfter: "1"}

type guardKey struct{}

// From returns the guard that accepted a request, for its ErrorStyle.
func From(ctx context.Context) *Guard {
	if g, ok := ctx.Value(guardKey{}).(*Guard); ok {
		return g
	}
	return plain
}

// Refusal returns the response for err and sets its headers.
func (g *Guard) Refusal(h http.Header, r *http.Request, err error) *Refusal {
	a := answerTo(err)
	if g.Errors == MedusaErrors {
		a = medusaAnswerTo(err, !g.takes(store.Secret))
	}
	retryAfter := g.retryAfter
	var limited *waitError
	if errors.As(err, &limited) {
		retryAfter = strconv.FormatInt(seconds(limited.wait), 10)
	}
	a.setHeaders(h, g.realm, retryAfter)
	h.Del("Content-Type") // of the response that is not sent
	f := &Refusal{Answer: Answer{Status: a.status, Header: h, Body: a.body, Err: err}, Message: a.body.Message}
	switch g.Errors {
	case MedusaErrors:
		h.Set("Content-Type", "application/json; charset=utf-8")
		f.Body, _ = encode(a.body) // two strings: it cannot fail
	case ProblemErrors:
		h.Set("Content-Type", "application/problem+json")
		f.Body = problem{http.StatusText(a.status), a.status, a.body.Message, a.body.Type}
	}
	if g.ErrorFunc != nil {
		g.ErrorFunc(r, &f.Answer)
	}
	return f
}
