package admin

import (
	"context"
	"net/http"
	"strings"
	"unicode/utf8"

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

// endpoint answers a request that was admitted. The error, if any, has not been told yet.
type endpoint struct {
	answer func(w http.ResponseWriter, r *http.Request, again admission) error
	// body and query name the fields that are taken; openapi.json is held to them by a test.
	body, query []string
}

// serve makes an endpoint of a schema for the body, one for the query, and what to do. Both are checked in Medusa's order:
// body, then query, then the route. A nil schema looks at nothing.
func serve[B, Q any](body func(*reader) B, query func(*reader) Q, do func(context.Context, call[B, Q]) (members, error)) endpoint {
	answer := func(w http.ResponseWriter, r *http.Request, again admission) error {
		ctx, sent, err := receive(w, r, again)
		if err != nil {
			return err
		}
		var c call[B, Q]
		if c.Body, err = check(sent, body); err != nil {
			return err
		}
		if c.Query, err = readQuery(r, query); err != nil {
			return err
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
	return endpoint{answer, taken(body), taken(query)}
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

// taken returns the fields that a schema asks for.
func taken[T any](schema func(*reader) T) []string {
	if schema == nil {
		return nil
	}
	r := newReader(newObject())
	schema(r)
	return r.known
}

// check reads v with the schema.
func check[T any](v any, schema func(*reader) T) (read T, err error) {
	if schema == nil {
		return read, nil
	}
	o, err := asObject(v)
	if err != nil {
		return read, err
	}
	r := newReader(o)
	read = schema(r)
	r.finish()
	return read, r.err()
}

func readQuery[Q any](r *http.Request, schema func(*reader) Q) (query Q, err error) {
	if schema == nil {
		return query, nil
	}
	sent, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return query, err
	}
	return check(sent, schema)
}

// parseQuery reads a URL's query and then does what Medusa does to it: an array of one string is split at commas, and a.b=x becomes
// a[b]=x. A field that is given both ways is refused, where Medusa lets one of the two filters fall.
func parseQuery(raw string) (*object, error) {
	sent, err := parseQS(raw, queryDepth, queryMaxIndex)
	if err != nil {
		return nil, store.Errorf(store.ErrInvalid, "Invalid request: %s", err)
	}
	query := newObject()
	for _, key := range sent.keys() {
		v := sent.members[key]
		if list, ok := v.([]any); ok && len(list) == 1 {
			if s, ok := list[0].(string); ok {
				v = splitCommas(s)
			}
		}
		parent, child, dotted := strings.Cut(key, ".")
		if !dotted {
			if _, twice := query.get(key); twice {
				return nil, givenTwice(key)
			}
			query.set(key, v)
			continue
		}
		if strings.Contains(child, ".") {
			return nil, store.Errorf(store.ErrInvalid, "Key accessor more than 2 levels deep: %s", key)
		}
		had, there := query.get(parent)
		if !there {
			had = newObject()
			query.set(parent, had)
		}
		o, ok := had.(*object)
		if !ok {
			return nil, givenTwice(parent)
		}
		o.set(child, v)
	}
	return query, nil
}

func givenTwice(name string) error {
	return store.Errorf(store.ErrInvalid, "Invalid request: Field '%s' is given in two ways", name)
}

// splitCommas splits a text at its commas, as far as a list may be long: what is in the one element
// more does not matter.
func splitCommas(s string) []any {
	var list []any
	for _, part := range strings.SplitN(s, ",", maxElements+1) {
		list = append(list, part)
	}
	return list
}
