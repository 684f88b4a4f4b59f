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

// Refusal is the answer to a request that is not let in. Its headers are set; status and body are
// for a door to write. It is an error that Echo v5 and its error handlers know how to write.
type Refusal struct {
	Answer
	Message string // of the standard body
	Sent    bool   // the door has sent it already
}

// Error returns the cause, which never holds a token.
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

// Exact returns the body and true when it must be sent to the byte. What is not exact, may be
// written by the app's own error handler.
func (f *Refusal) Exact() ([]byte, bool) {
	text, ok := f.Body.([]byte)
	return text, ok
}

// Write writes status and body, as Echo's error handlers do, unless they have been sent.
func (f *Refusal) Write(w http.ResponseWriter) {
	if f.Sent {
		return
	}
	text, exact := f.Exact()
	if !exact {
		if h := w.Header(); h.Get("Content-Type") == "" {
			h.Set("Content-Type", "application/json")
		}
		text, _ = json.Marshal(f) // a body of the app's that is no JSON is left out
		text = append(text, '\n')
	}
	w.WriteHeader(f.Status)
	_, _ = w.Write(text) // the client may have gone
}

// plain puts refusals into words where no guard has let the request in.
var plain = &Guard{retryAfter: "1"}

type guardKey struct{}

// From returns the guard that has let a request in, for its words.
func From(ctx context.Context) *Guard {
	if g, ok := ctx.Value(guardKey{}).(*Guard); ok {
		return g
	}
	return plain
}

// Refusal puts err into words and sets the headers of the answer.
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
	h.Del("Content-Type") // of the answer that is not given
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
