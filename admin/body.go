package admin

import (
	"bytes"
	"io"
	"net/http"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// ReadBody reads the body of a request to one of your own routes as the admin routes read theirs:
// the same content types and limits, and the same answers when it cannot be read. A request without
// a body, or with a content type other than JSON, form or plain text, has an empty object. Values
// are those of encoding/json; a number may be infinite. The body can be read again.
//
// How long the body may take is up to your server: set its ReadTimeout.
//
// A body that cannot be read is an error with the method StatusCode() int (400, 408, 413 or 415)
// whose JSON is Medusa's answer. A body that is not an object is an error that matches
// store.ErrInvalid.
func ReadBody(r *http.Request) (map[string]any, error) {
	sent, err := readBody(nil, r)
	if err != nil {
		return nil, err
	}
	o, ok := sent.(*medusa.Object)
	if !ok {
		return nil, invalid(medusa.ErrNotObject)
	}
	return o.Map(), nil
}

// readBody reads and parses the body of a request, which can be read again afterwards. With a nil
// w, only the server bounds the time that it takes.
func readBody(w http.ResponseWriter, r *http.Request) (any, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return medusa.NewObject(), nil
	}
	parse, refused := medusa.BodyParser(r.Header)
	if parse == nil {
		leaveBody(w, r)
		if refused == nil {
			return medusa.NewObject(), nil
		}
		refused.Message = store.RedactTokens(refused.Message) // it repeats a part of the header
		return nil, refused
	}
	text, refused := readAll(w, r, medusa.MaxBodyBytes)
	if refused != nil {
		return nil, refused
	}
	r.Body = io.NopCloser(bytes.NewReader(text)) // the server closes the original
	if len(text) == 0 {
		return medusa.NewObject(), nil
	}
	return parse(text)
}
