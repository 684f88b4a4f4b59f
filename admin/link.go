package admin

import (
	"context"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// links is the body of POST /api-keys/{id}/sales-channels.
type links struct{ Add, Remove []string }

func readLinks(r *medusa.FieldsReader) (l links) {
	var right bool
	l.Add, right = r.Texts("add")
	l.Remove, _ = r.Texts("remove")
	if !right {
		return l
	}
	seen := make(map[string]bool, len(l.Add))
	for _, id := range l.Add {
		switch {
		case store.HoldsSecret(id): // the shop must not see it
			r.Fault("Field 'add' holds a secret token. Remove it; a token must not be stored or searched for.")
			return l
		case seen[id]:
			r.Fault("Field 'add' names '" + id + "' twice")
			return l
		}
		seen[id] = true
	}
	return l
}

// link answers POST /api-keys/{id}/sales-channels. It looks channels up only for publishable keys.
// Checking the type before the change is safe: it never changes.
func (a *api) link(ctx context.Context, c call[links, fields]) (medusa.Members, error) {
	key, err := a.keys.Get(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	if key.Type == store.Publishable {
		if err := a.mustExist(ctx, c.Body.Add); err != nil {
			return nil, err
		}
	}
	key, err = a.keys.LinkSalesChannels(ctx, c.ID, c.Body.Add, c.Body.Remove)
	if err != nil {
		return nil, err
	}
	return a.showOne(ctx, key, c.Query.over(defaultFields()))
}
