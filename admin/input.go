package admin

import (
	"net/http"

	"github.com/latchkey-go/latchkey/store"
)

// Input is the body of a request to one of the host's own routes, read and checked as this package's routes do it, so that Medusa's
// clients find the whole server alike: the same content types and limits, the same words for what is wrong. Take each field by its method, then
// ask Err:
//
//	in, err := admin.ReadInput(w, r)
//	if err != nil {
//		return err // a *BodyError
//	}
//	name, note := in.RequiredText("name"), in.Text("note")
//	if err := in.Err(); err != nil {
//		return err // store.ErrInvalid, with a message to be told
//	}
type Input struct {
	fields *reader
	err    error // the body is no object
}

// ReadInput reads the body of a request, which can be read again afterwards. No body, or one of a
// content type other than JSON, form and plain text, is an empty object. An error is a
// [*BodyError]; its Status is 408 when the body has not come within 10 seconds, for which w must
// support read deadlines (see http.ResponseController), as Echo's Response does.
func ReadInput(w http.ResponseWriter, r *http.Request) (*Input, error) {
	sent, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	o, err := asObject(sent)
	return &Input{newReader(o), err}, nil
}

// Text returns a field that is a text, or "" where it is absent or wrong.
func (in *Input) Text(name string) string {
	s, _ := in.fields.text(name)
	return s
}

// RequiredText is Text for a field that has to be there. It may be empty.
func (in *Input) RequiredText(name string) string { return in.fields.requiredText(name) }

// Number returns a field that is a number, which may be infinite, and whether it is there and right.
func (in *Input) Number(name string) (float64, bool) { return in.fields.number(name) }

// Err returns nil, or an error that matches store.ErrInvalid and tells the first three faults, in the order in which the fields were
// taken; fields that nobody took come last.
func (in *Input) Err() error {
	if in.err != nil {
		return in.err
	}
	in.fields.finish()
	return in.fields.err()
}

// asObject returns v, or, beside an empty object, the error that Medusa has for what is none.
func asObject(v any) (*object, error) {
	if o, ok := v.(*object); ok {
		return o, nil
	}
	return newObject(), store.Errorf(store.ErrInvalid, "Invalid request: Field '' is required")
}
