package store

import (
	"context"
	"time"
)

// RevokeAll revokes at the given time, in one change, every key that the filter matches and that is
// not revoked by then. It returns these keys in the order of their ids. A time in the past means
// now. It never postpones a revocation, and may be repeated.
//
// More than MaxRevoke keys are ErrInvalid, and no key is revoked; [Keys.Revocable] returns which
// keys they are.
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
			if r.Key.Revoked { // by an instance whose clock is ahead
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

// Revocable returns the keys that RevokeAll would revoke, at most MaxRevoke in the order of their
// ids, and their total number.
func (k *Keys) Revocable(ctx context.Context, f Filter, at time.Time) ([]*Key, int, error) {
	if err := checkRevokedAt(at); err != nil {
		return nil, 0, err
	}
	return k.ListAndCount(ctx, Query{Filter: f.outliving(notBefore(k.now(), at)), Limit: MaxRevoke, MaxBytes: maxRevokeBytes})
}

// outliving restricts the filter to keys that are not revoked at that time.
func (f Filter) outliving(at time.Time) Filter {
	return Filter{And: []Filter{f}, Or: []Filter{
		{RevokedAt: []TimeCondition{{Op: IsNull}}},
		{RevokedAt: []TimeCondition{{Op: Gt, Times: []time.Time{at}}}},
	}}
}
