package store

import (
	"context"
	"time"
)

// RevokeAll ends every key that the filter matches and that no revocation ends at the given moment
// or before, in one change, and returns them in the order of their ids. A moment that is past means
// now. An end is only ever brought forward, and what ends earlier is left alone. Calling it again is
// safe.
//
// More than MaxRevoke such keys are ErrInvalid, and none of them is revoked: [Keys.Revocable] says
// which they are.
func (k *Keys) RevokeAll(ctx context.Context, f Filter, at time.Time) ([]*Key, error) {
	if err := checkRevokedAt(at); err != nil {
		return nil, err
	}
	var revoked []*Key
	err := k.change(ctx, "revoke", func(tx Tx) error {
		now := k.now()
		at := notBefore(now, at)
		by, _, err := k.targets(ctx, tx)
		if err != nil {
			return err
		}
		found, err := k.findSome(ctx, tx, Query{Filter: f.outliving(at), Limit: MaxRevoke + 1, MaxBytes: maxRevokeBytes})
		if err != nil {
			return err
		}
		if len(found) > MaxRevoke {
			return Errorf(ErrInvalid, "More than %d keys would be revoked: narrow the filter, or name them by their ids, so many at a time", MaxRevoke)
		}
		for _, r := range found {
			if r.Key.Revoked { // by an instance whose clock is ahead of this one's
				continue
			}
			if err := k.revokeOne(ctx, tx, r, by, now, at, nil); err != nil {
				return err
			}
			revoked = append(revoked, &r.Key)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return revoked, nil
}

// Revocable returns what RevokeAll would end: at most MaxRevoke keys, in the order of their ids, and how many there are in all.
func (k *Keys) Revocable(ctx context.Context, f Filter, at time.Time) ([]*Key, int, error) {
	if err := checkRevokedAt(at); err != nil {
		return nil, 0, err
	}
	return k.ListAndCount(ctx, Query{Filter: f.outliving(notBefore(k.now(), at)), Limit: MaxRevoke, MaxBytes: maxRevokeBytes})
}

// outliving narrows the filter to keys that no revocation ends at that moment or before.
func (f Filter) outliving(at time.Time) Filter {
	return Filter{And: []Filter{f}, Or: []Filter{
		{RevokedAt: []TimeCondition{{Op: IsNull}}},
		{RevokedAt: []TimeCondition{{Op: Gt, Times: []time.Time{at}}}},
	}}
}
