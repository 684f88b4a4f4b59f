package admin

import (
	"context"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// call is a request that has been authorised, read and checked.
type call[B, Q any] struct {
	ID    string // of the key in the path; "" where there is none
	Body  B
	Query Q
}

// admission asks again whether the request is admitted, and returns the context to go on in.
type admission func() (context.Context, error)

// endpoint answers a request that was admitted. The error, if any, has not been sent yet.
type endpoint struct {
	answer func(w http.ResponseWriter, r *http.Request, again admission) error
	// body and query name the fields that are taken; openapi.json is held to them by a test.
	body, query []string
}

// serve makes an endpoint of a schema for the body, one for the query, and what to do. Both are
// checked in Medusa's order: body, then query, then the route. A nil schema looks at nothing.
func serve[B, Q any](
	body func(*medusa.FieldsReader) B, query func(*medusa.FieldsReader) Q,
	do func(context.Context, call[B, Q]) (medusa.Members, error),
) endpoint {
	answer := func(w http.ResponseWriter, r *http.Request, again admission) error {
		ctx, sent, err := receive(w, r, again)
		if err != nil {
			return err
		}
		var c call[B, Q]
		if c.Body, err = medusa.ReadFields(sent, body); err != nil {
			return invalid(err)
		}
		if c.Query, err = medusa.ReadQuery(r.URL.RawQuery, query); err != nil {
			return invalid(err)
		}
		if c.ID = r.PathValue("id"); strings.ContainsRune(c.ID, 0) || !utf8.ValidString(c.ID) {
			return store.Errorf(store.ErrInvalid, "Invalid request: Field 'id' contains characters that no id has")
		}
		told, err := do(ctx, c)
		if err != nil {
			return err
		}
		respond(w, http.StatusOK, told)
		return nil
	}
	return endpoint{answer, medusa.FieldNames(body), medusa.FieldNames(query)}
}

// receive reads the body, and then asks again whether the request is admitted.
func receive(w http.ResponseWriter, r *http.Request, again admission) (context.Context, any, error) {
	hasBody := r.Body != nil && r.Body != http.NoBody
	sent, err := readBody(w, r)
	if err != nil || !hasBody {
		return r.Context(), sent, err
	}
	ctx, err := again()
	return ctx, sent, err
}
