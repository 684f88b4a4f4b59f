package admin

import (
	"context"
	"errors"

	"github.com/latchkey-go/latchkey/store"
)

// readPatch reads the body of POST /api-keys/{id}. Medusa's has a title and nothing else; with one of our own attributes there, it
// may be left out.
func readPatch(r *reader) store.Patch {
	title, hasTitle := r.text("title")
	_, given := r.from.get("title")
	if !given && !hasOwn(r.from) {
		r.missing("title")
	}
	p := store.Patch{
		Scopes:       readScopes(r),
		ExpiresAt:    readExpiresAt(r),
		Metadata:     readMetadata(r),
		AllowedCIDRs: readCIDRs(r),
		RateLimit:    readRateLimit(r),
	}
	if hasTitle {
		p.Title = &title
	}
	return p
}

// hasOwn reports whether the object has one of our own attributes that can be changed.
func hasOwn(o *object) bool {
	for _, name := range []string{"scopes", "expires_at", "metadata", "allowed_cidrs", "rate_limit"} {
		if _, ok := o.get(name); ok {
			return true
		}
	}
	return false
}

// update answers POST /api-keys/{id}.
func (a *api) update(ctx context.Context, c call[store.Patch, fields]) (members, error) {
	key, err := a.keys.Update(ctx, c.ID, c.Body)
	return a.changed(ctx, key, err, c.Query)
}

// changed shows a key after a change. As in Medusa, an unknown key is no error but an answer without a key.
func (a *api) changed(ctx context.Context, key *store.Key, err error, asked fields) (members, error) {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return members{}, nil
	case err != nil:
		return nil, err
	}
	return a.showOne(ctx, key, asked.over(defaultFields()))
}
