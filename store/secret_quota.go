package store

import (
	"context"
	"time"
)

// checkNewSecrets enforces MaxActiveSecrets, the generalized rule of older versions of Medusa (1):
// at most that many active secret keys, and as many again with a scheduled revocation. It runs
// inside the change, so concurrent creates cannot exceed the limit together. making is the number
// of new secret keys.
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

// checkRolledSecret enforces MaxActiveSecrets for Roll. It runs after the old key was revoked or
// its revocation was scheduled. Only the total of active and ending keys is limited here.
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

// aliveSecrets counts the secret keys that work: active ones without a scheduled revocation, and
// ending ones with one.
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
