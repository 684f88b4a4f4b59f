package admin

import (
	"context"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// retrieve answers GET /api-keys/{id}.
func (a *api) retrieve(ctx context.Context, c call[struct{}, fields]) (medusa.Members, error) {
	key, err := a.keys.Get(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	return a.showOne(ctx, key, c.Query.over(defaultFields()))
}

// self answers GET /api-keys/self with the key of the request. It needs no scope: the holder of a
// key may know it.
func (a *api) self(ctx context.Context, c call[struct{}, fields]) (medusa.Members, error) {
	key, ok := store.FromContext(ctx)
	if !ok || key.Type != store.Secret {
		return nil, store.Errorf(store.ErrNotFound, "The request was not made with a secret API key")
	}
	c.ID = key.ID
	return a.retrieve(ctx, c)
}
