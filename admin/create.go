package admin

import (
	"context"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// readNewKey reads the body of POST /api-keys: title and type as in Medusa, then other attributes.
func readNewKey(r *medusa.FieldsReader) store.NewKey {
	n := store.NewKey{Title: r.RequiredText("title")}
	typ, _ := r.Choice("type", string(store.Publishable), string(store.Secret))
	if !r.Has("type") {
		r.Missing("type")
	}
	n.Type = store.Type(typ)
	for _, a := range attributes {
		if a.create != nil {
			a.create(r, &n)
		}
	}
	return n
}

// create answers POST /api-keys with the key and its token.
func (a *api) create(ctx context.Context, c call[store.NewKey, fields]) (medusa.Members, error) {
	made, err := a.keys.Create(ctx, c.Body)
	if err != nil {
		return nil, err
	}
	return showCreated(made, c.Query), nil
}
