package store

import (
	"context"
	"time"
)

// checkNewSecrets holds the rule of older versions of Medusa, generalized from 1 to MaxActiveSecrets: so many active secret keys, and as
// many again whose revocation is scheduled. It is asked inside the change, so that concurrent creates cannot pass it together.
// making is how many secret keys are about to be made.
func (k *Keys) checkNewSecrets(ctx context.Context, tx Tx, making int, now time.Time) error {
	limit := k.o.MaxActiveSecrets
	if limit <= 0 || making == 0 {
		return nil
	}
	if making > limit {
		if limit == 1 {
			return Errorf(ErrInvalid, "You can only create one secret key at a time. You tried to create %d secret keys.", making)
		}
		return Errorf(ErrInvalid, "You can only have %d active secret keys. You tried to create %d.", limit, making)
	}
	active, ending, err := aliveSecrets(ctx, tx, now)
	if err != nil {
		return err
	}
	if active+making > limit || active+ending+making > 2*limit {
		if limit == 1 {
			return Errorf(ErrInvalid, "You can only have one active secret key a time. Revoke or delete your existing key before creating a new one.")
		}
		return Errorf(ErrInvalid, "You can only have %d active secret keys. Revoke or delete an existing key before creating a new one.", limit)
	}
	return nil
}

// checkRolledSecret is the same rule for a roll, whose old key is revoked, or about to be, when it is asked: the successor may be made while
// no more keys than the rule allows are alive with it.
func (k *Keys) checkRolledSecret(ctx context.Context, tx Tx, next *Key, now time.Time) error {
	limit := k.o.MaxActiveSecrets
	if limit <= 0 || next.Type != Secret {
		return nil
	}
	active, ending, err := aliveSecrets(ctx, tx, now)
	if err != nil {
		return err
	}
	if active+ending+1 > 2*limit {
		return Errorf(ErrNotAllowed, "Cannot roll an API key with a grace period while %d keys are about to be revoked - %s", ending, next.RolledFrom)
	}
	return nil
}

// aliveSecrets counts the secret keys that nothing has ended yet: those whose revocation is not scheduled, and those whose is.
func aliveSecrets(ctx context.Context, tx Tx, now time.Time) (active, ending int, err error) {
	found, err := tx.Find(ctx, Query{Filter: Filter{Types: []Type{Secret}, Or: []Filter{
		{RevokedAt: []TimeCondition{{Op: IsNull}}},
		{RevokedAt: []TimeCondition{{Op: Gt, Times: []time.Time{now}}}},
	}}})
	for _, r := range found {
		switch {
		case r.Key.Check(now) != nil:
		case r.Key.RevokedAt.IsZero():
			active++
		default:
			ending++
		}
	}
	return active, ending, err
}
