package admin

import (
	"context"
	"errors"
	"slices"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// readToken reads the body of POST /api-keys/verify. Errors do not repeat the value.
func readToken(r *medusa.FieldsReader) string {
	v, there := r.Any("token")
	token, ok := v.(string)
	switch {
	case !there:
		r.Missing("token")
	case !ok:
		r.Mistyped("token", "string", "***")
	}
	return token
}

// verify answers POST /api-keys/verify: whether the token is valid now, and its key. This does not
// count as a use. All invalid tokens have the same answer. What cannot be decided is an error.
//
// The cache does not hold every attribute (see attribute.uncached). The others are shown only on
// request, and then read from the store.
func (a *api) verify(ctx context.Context, c call[string, fields]) (medusa.Members, error) {
	no := medusa.Members{{"is_authenticated", false}}
	key, err := a.keys.Verify(ctx, c.Body)
	if errors.Is(err, store.ErrUnauthenticated) {
		return no, nil
	}
	if err != nil {
		return nil, err
	}
	shown := c.Query.over(verifiedFields())
	if slices.ContainsFunc(shown.attributes, func(a *attribute) bool { return a.uncached }) {
		if key, err = a.keys.Get(ctx, key.ID); errors.Is(err, store.ErrNotFound) {
			return no, nil // deleted just now
		}
		if err != nil {
			return nil, err
		}
	}
	answer, err := a.showOne(ctx, key, shown)
	if err != nil {
		return nil, err
	}
	return append(medusa.Members{{"is_authenticated", true}}, answer...), nil
}

// verifiedFields returns what verify shows by default.
func verifiedFields() []string {
	return slices.DeleteFunc(defaultFields(), func(name string) bool { return name == "last_used_at" })
}
