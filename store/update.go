package store

import (
	"context"
	"slices"
	"strings"
)

// Update changes one key, which may be revoked, and returns it. As in Medusa, UpdatedAt does not
// change if nothing is different. Errors match ErrNotFound, ErrInvalid, ErrForbidden (see Create)
// or ErrUnavailable.
func (k *Keys) Update(ctx context.Context, id string, p Patch) (*Key, error) {
	var updated *Key
	err := k.change(ctx, "update", func(tx Tx) error {
		by, r, err := k.target(ctx, tx, id)
		if err != nil {
			return err
		}
		updated = &r.Key
		return k.patch(ctx, tx, r, by, p)
	})
	if err != nil {
		return nil, err
	}
	return updated, nil
}

// UpdateAll changes every key that the filter matches, in one change, and returns these keys. More
// than MaxRevoke keys are ErrInvalid, and no key is changed. Other errors are those of Update.
func (k *Keys) UpdateAll(ctx context.Context, f Filter, p Patch) ([]*Key, error) {
	var updated []*Key
	err := k.change(ctx, "update", func(tx Tx) error {
		by, _, err := k.targets(ctx, tx)
		if err != nil {
			return err
		}
		found, err := k.findSome(ctx, tx, Query{Filter: f, Limit: MaxRevoke + 1, MaxBytes: maxRevokeBytes})
		if err != nil {
			return err
		}
		if len(found) > MaxRevoke {
			return Errorf(ErrInvalid, "More than %d keys would be updated: narrow the filter, or name them by their ids, so many at a time", MaxRevoke)
		}
		for _, r := range found {
			if err := k.patch(ctx, tx, r, by, p); err != nil {
				return err
			}
			updated = append(updated, &r.Key)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return updated, nil
}

// patch applies p to r within tx, on behalf of by.
func (k *Keys) patch(ctx context.Context, tx Tx, r *Record, by principal, p Patch) error {
	now, key := k.now(), &r.Key
	before := key.Clone()
	if p.AllowedCIDRs != nil && isEmptyList(*p.AllowedCIDRs) {
		return errNoAddress
	}
	named := p.apply(key)
	if named["expires_at"] { // older keys are not checked until their expiry changes
		if err := k.checkLifetime(key); err != nil {
			return err
		}
	}
	if err := checkNew(key, before); err != nil {
		return err
	}
	// Metadata must not decide anything, but some applications use it so.
	if named["scopes"] || named["allowed_cidrs"] || named["rate_limit"] || named["metadata"] {
		if err := by.holder.mayChange(before, key); err != nil {
			return err
		}
	}
	if named["expires_at"] && isLater(key.ExpiresAt, before.ExpiresAt) {
		if err := by.holder.mayPutOff(before, key, key.ExpiresAt); err != nil {
			return err
		}
	}
	if key.Type == Secret && before.Check(now) != nil && key.Check(now) == nil { // it works again
		if err := k.checkNewSecrets(ctx, tx, 1, now); err != nil {
			return err
		}
	}
	fields, power := changed(key, before)
	if len(fields) == 0 { // no difference; announced all the same (protocol 4.1)
		return tx.Append(ctx, r, eventFor(r, Updated, now, nil))
	}
	if power && !k.isGenuine(r) {
		return errForged(r)
	}
	if err := k.gate(ctx, tx, key, before); err != nil {
		return err
	}
	key.UpdatedAt = TimeOf(now)
	return k.save(ctx, tx, r, Updated, now, map[string]string{"fields": strings.Join(fields, ",")})
}

// isLater reports whether end is later than other. An end that is not set never comes.
func isLater(end, other Time) bool {
	return !other.IsZero() && (end.IsZero() || end.after(other))
}

// sameList compares two lists; nil and empty are different.
func sameList(a, b []string) bool {
	return (a == nil) == (b == nil) && slices.Equal(a, b)
}
