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

func (a *api) readRevocation(r *medusa.FieldsReader) revocation {
	filter := filterParser{now: a.now(), strict: true}.parse(r)
	return revocation{Filter: filter, In: readRevokeIn(r), DryRun: r.Boolean("dry_run")}
}

// narrows reports whether the filter has a condition that a key may not meet.
func narrows(f store.Filter) bool {
	if strings.TrimSpace(f.Search) != "" || f.IDs != nil || f.Titles != nil || f.Tokens != nil ||
		f.Types != nil || f.CreatedBy != nil {
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
	// All keys meet deleted_at IS NULL: deletion removes the row.
	if slices.ContainsFunc(f.DeletedAt, func(c store.TimeCondition) bool { return c.Op != store.IsNull }) {
		return true
	}
	everything := func(sub store.Filter) bool { return !narrows(sub) }
	return slices.ContainsFunc(f.And, narrows) || f.Or != nil && !slices.ContainsFunc(f.Or, everything)
}

// revokeAll answers POST /api-keys/revoke with the ids of the revoked keys, or of those that a dry
// run would revoke: at most store.MaxRevoke of them, with the count of all. A filter that matches
// every key is refused, because it is probably a mistake. A condition on created_at allows it.
func (a *api) revokeAll(ctx context.Context, c call[revocation, struct{}]) (medusa.Members, error) {
	if !narrows(c.Body.Filter) {
		return nil, store.Errorf(store.ErrInvalid,
			"Invalid request: A filter is required, such as 'type' or 'created_by': this one leaves out no key")
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
