package admin

import (
	"context"

	"github.com/latchkey-go/latchkey/store"
)

// readNewKey reads the body of POST /api-keys: Medusa's title and type, then our own attributes.
func readNewKey(r *reader) store.NewKey {
	n := store.NewKey{Title: r.requiredText("title")}
	typ, _ := r.choice("type", string(store.Publishable), string(store.Secret))
	if _, there := r.from.get("type"); !there {
		r.missing("type")
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
func (a *api) create(ctx context.Context, c call[store.NewKey, fields]) (members, error) {
	made, err := a.keys.Create(ctx, c.Body)
	if err != nil {
		return nil, err
	}
	return showCreated(made, c.Query), nil
}
