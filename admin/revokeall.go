package admin

import (
	"context"
	"slices"
	"strings"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// revocation is the body of POST /api-keys/revoke.
type revocation struct {
	Filter store.Filter
	In     int64 // seconds
	DryRun bool
}

// readRevocation reads the list's filters as JSON, with those of our own, and what to do with the keys.
func (a *api) readRevocation(r *medusa.FieldsReader) revocation {
	return revocation{Filter: language{now: a.now(), ours: true}.top(r), In: readRevokeIn(r), DryRun: r.Boolean("dry_run")}
}

// narrows reports whether the filter says anything that a key could fail to be.
func narrows(f store.Filter) bool {
	if strings.TrimSpace(f.Search) != "" || f.IDs != nil || f.Titles != nil || f.Tokens != nil || f.Types != nil || f.CreatedBy != nil {
		return true
	}
	if slices.ContainsFunc(attributes, func(a *attribute) bool { return a.texts != nil && *a.texts(&f) != nil }) {
		return true
	}
	for _, conditions := range [][]store.TimeCondition{f.CreatedAt, f.UpdatedAt, f.RevokedAt, f.ExpiresAt, f.LastUsedAt} {
		if len(conditions) > 0 {
			return true
		}
	}
	if slices.ContainsFunc(f.DeletedAt, func(c store.TimeCondition) bool { return c.Op != store.IsNull }) { // no key that is there is deleted
		return true
	}
	everything := func(sub store.Filter) bool { return !narrows(sub) }
	return slices.ContainsFunc(f.And, narrows) || f.Or != nil && !slices.ContainsFunc(f.Or, everything)
}

// revokeAll answers POST /api-keys/revoke with the ids of the keys that were revoked, or, for a dry run, of those that would be: at most
// store.MaxRevoke of them, while count is of all. A filter that leaves out no key is refused: it is a mistake more often than a wish, and
// the wish can be told by any time of creation.
func (a *api) revokeAll(ctx context.Context, c call[revocation, struct{}]) (medusa.Members, error) {
	if !narrows(c.Body.Filter) {
		return nil, store.Errorf(store.ErrInvalid, "Invalid request: A filter is required, such as 'type' or 'created_by': this one leaves out no key")
	}
	var keys []*store.Key
	var count int
	var err error
	at := a.fromNow(c.Body.In)
	if c.Body.DryRun {
		keys, count, err = a.keys.Revocable(ctx, c.Body.Filter, at)
	} else {
		keys, err = a.keys.RevokeAll(ctx, c.Body.Filter, at)
		count = len(keys)
	}
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(keys))
	for i, key := range keys {
		ids[i] = key.ID
	}
	return medusa.Members{{"ids", ids}, {"count", count}, {"dry_run", c.Body.DryRun}}, nil
}
