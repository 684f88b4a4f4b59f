package admin

import (
	"context"
	"errors"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// readPatch reads the body of POST /api-keys/{id}. As in Medusa, title is required, unless there is
// an attribute that Medusa does not have.
func readPatch(r *medusa.FieldsReader) (p store.Patch) {
	if title, ok := r.Text("title"); ok {
		p.Title = &title
	}
	empty := !r.Has("title")
	for _, a := range attributes {
		if a.update != nil {
			a.update(r, &p)
			empty = empty && !r.Has(a.name)
		}
	}
	if empty {
		r.Missing("title")
	}
	return p
}

// update answers POST /api-keys/{id}.
func (a *api) update(ctx context.Context, c call[store.Patch, fields]) (medusa.Members, error) {
	key, err := a.keys.Update(ctx, c.ID, c.Body)
	return a.changed(ctx, key, err, c.Query)
}

// changed returns the answer with a changed key. As in Medusa, an unknown key is not an error.
func (a *api) changed(ctx context.Context, key *store.Key, err error, asked fields) (medusa.Members, error) {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return medusa.Members{}, nil
	case err != nil:
		return nil, err
	}
	return a.showOne(ctx, key, asked.over(defaultFields()))
}
