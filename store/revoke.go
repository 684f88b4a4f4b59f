package store

import (
	"context"
	"maps"
	"time"
)

// repeatWindow is how long after its death another revoke of the same key still appends an event
// (protocol 4.1). After it, the repetition waits in the cache as any change does and leaves no
// line, so that strangers cannot fill the log (protocol 14).
const repeatWindow = 20 * time.Minute

// Revoke ends a key now. When it returns, no instance accepts the key any more (protocol 9).
//
// As in Medusa, revoking a secret key that is dead already is an error that matches ErrInvalid; a publishable key just stays
// revoked, with the earlier of the two times. Other errors match ErrNotFound, ErrUnavailable (the revocation may have
// happened: try again).
func (k *Keys) Revoke(ctx context.Context, id string) (*Key, error) {
	return k.RevokeAt(ctx, id, time.Time{})
}

// RevokeIn ends a key after the given time, until when it works as before; 0 and less mean now. A revocation that was scheduled
// before is replaced.
func (k *Keys) RevokeIn(ctx context.Context, id string, after time.Duration) (*Key, error) {
	return k.RevokeAt(ctx, id, k.now().Add(after))
}

// RevokeAt is RevokeIn for a moment; one that is past means now. Moments after the year 9999 are ErrInvalid.
func (k *Keys) RevokeAt(ctx context.Context, id string, at time.Time) (*Key, error) {
	revoked, err := k.revoke(ctx, at, func(tx Tx) (who, []*Record, error) {
		who, found, err := k.targets(ctx, tx, id)
		if err == errNarrowed && who.holder.ID == id { //nolint:errorlint // that very error
			err = nil // what a key has lost does not keep it from ending itself
		}
		return who, found, err
	})
	if err != nil {
		return nil, err
	}
	if len(revoked) == 0 {
		return nil, notFound(id)
	}
	return revoked[0], nil
}

// RevokeWhere ends every key that the filter matches at the given moment, in one change, and returns them. When one of them is a
// secret key that is dead already, none is revoked.
func (k *Keys) RevokeWhere(ctx context.Context, f Filter, at time.Time) ([]*Key, error) {
	return k.revoke(ctx, at, func(tx Tx) (who, []*Record, error) {
		who, _, err := k.targets(ctx, tx)
		if err != nil {
			return who, nil, err
		}
		found, err := k.find(ctx, tx, f)
		return who, found, err
	})
}

// revoke ends the keys that read finds, all of them or none.
func (k *Keys) revoke(ctx context.Context, when time.Time, read func(Tx) (who, []*Record, error)) ([]*Key, error) {
	var revoked []*Key
	dead := 0
	if err := checkRevokedAt(when); err != nil {
		return nil, err
	}
	err := k.change(ctx, "revoke", func(tx Tx) error {
		who, found, err := read(tx)
		if err != nil {
			return err
		}
		now := k.now()
		at := notBefore(now, when)
		for _, r := range found {
			if r.Key.Type == Secret && r.Key.isDead(now) {
				dead++
			}
		}
		for _, r := range found {
			key := &r.Key
			revoked = append(revoked, key)
			switch {
			case key.isDead(now):
				if now.Sub(key.RevokedAt.Time()) > repeatWindow {
					continue
				}
				err = tx.Append(ctx, r, eventFor(r, Revoked, now, map[string]string{"already": "revoked"}))
			case dead > 0:
				continue
			default:
				err = k.revokeOne(ctx, tx, r, who, now, at, nil)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case dead > 0:
		return nil, Errorf(ErrInvalid, "There are %d secret keys that are already revoked.", dead)
	}
	return revoked, nil
}

// checkRevokedAt refuses moments that cannot be told.
func checkRevokedAt(at time.Time) error {
	if at.After(latest) {
		return Errorf(ErrInvalid, "A key cannot be revoked later than in the year %d", latest.Year())
	}
	return nil
}

// revokeOne writes the revocation of a key that is alive. Keys may bring a revocation forward; to
// put it off is to give life, and needs what it takes to make the whole key. details go into the
// event.
func (k *Keys) revokeOne(ctx context.Context, tx Tx, r *Record, who who, now, at time.Time, details map[string]string) error {
	key := &r.Key
	before := key.Clone()
	key.Revoked, key.RevokedAt, key.RevokedBy, key.UpdatedAt = !at.After(now), TimeOf(at), who.actor, TimeOf(now)
	if !before.RevokedAt.IsZero() && key.RevokedAt.After(before.RevokedAt) {
		if err := who.holder.mayPutOff(before, key, key.RevokedAt); err != nil {
			return err
		}
	}
	said := map[string]string{"revoked_at": at.Format(wireTime)}
	maps.Copy(said, details)
	return k.save(ctx, tx, r, Revoked, now, said)
}

// isDead reports whether the key's revocation has taken effect.
func (k *Key) isDead(now time.Time) bool {
	return k.Revoked || (!k.RevokedAt.IsZero() && !TimeOf(now).Before(k.RevokedAt))
}

// notBefore returns at in stored form, or now when that is later.
func notBefore(now, at time.Time) time.Time {
	if at = toMillis(at); at.After(now) {
		return at
	}
	return now
}
