package store

import (
	"context"
	"maps"
	"time"
)

// repeatWindow is how long after the revocation of a key another revoke of it still appends an
// event (protocol 4.1). After that, a repeated revoke waits in the cache like any change and writes
// no event, so that strangers cannot fill the log (protocol 14).
const repeatWindow = 20 * time.Minute

// Revoke revokes a key now and returns it. When it returns, no instance accepts the key (protocol
// 9).
//
// As in Medusa, revoking a secret key again is an error that matches ErrInvalid, while a
// publishable key stays revoked with the earlier of the two times. Other errors match ErrNotFound,
// ErrUnauthenticated or ErrForbidden (the principal is a key), or ErrUnavailable (the key may have
// been revoked: try again).
func (k *Keys) Revoke(ctx context.Context, id string) (*Key, error) {
	return k.RevokeAt(ctx, id, time.Time{})
}

// RevokeAt revokes a key at the given time. Until then it works as before. A time in the past means
// now. It replaces an earlier scheduled revocation. A time after the year 9999 is ErrInvalid. See
// Revoke for other errors.
func (k *Keys) RevokeAt(ctx context.Context, id string, at time.Time) (*Key, error) {
	if err := checkRevokedAt(at); err != nil {
		return nil, err
	}
	var key *Key
	dead := false
	err := k.change(ctx, "revoke", func(tx Tx) error {
		by, found, err := k.targets(ctx, tx, id)
		if err == errNarrowed && by.holder.ID == id { //nolint:errorlint // exactly this error
			err = nil // a restricted key may still revoke itself
		}
		if err != nil || len(found) == 0 {
			return err
		}
		now, r := k.now(), found[0]
		key = &r.Key
		dead = key.isDead(now)
		switch {
		case !dead:
			return k.revokeOne(ctx, tx, r, by, now, notBefore(now, at), nil)
		case now.Sub(key.RevokedAt.Time()) > repeatWindow:
			return nil
		}
		return tx.Append(ctx, r, eventFor(r, Revoked, now, map[string]string{"already": "revoked"}))
	})
	switch {
	case err != nil:
		return nil, err
	case key == nil:
		return nil, notFound(id)
	case dead && key.Type == Secret:
		return nil, Errorf(ErrInvalid, "There are 1 secret keys that are already revoked.") // Medusa's message
	}
	return key, nil
}

// checkRevokedAt refuses times that the wire format cannot represent.
func checkRevokedAt(at time.Time) error {
	if at.After(latest) {
		return Errorf(ErrInvalid, "A key cannot be revoked later than in the year %d", latest.Year())
	}
	return nil
}

// revokeOne writes the revocation of a key that is not revoked yet. A principal that is a key may
// bring a revocation forward. To postpone it, it needs the power to create the key. details are
// added to the event.
func (k *Keys) revokeOne(ctx context.Context, tx Tx, r *Record, by principal, now, at time.Time, details map[string]string) error {
	key := &r.Key
	before := key.Clone()
	key.Revoked, key.RevokedAt, key.RevokedBy, key.UpdatedAt = !at.After(now), TimeOf(at), by.actor, TimeOf(now)
	if !before.RevokedAt.IsZero() && key.RevokedAt.after(before.RevokedAt) {
		if err := by.holder.mayPutOff(before, key, key.RevokedAt); err != nil {
			return err
		}
	}
	said := map[string]string{"revoked_at": at.Format(wireTime)}
	maps.Copy(said, details)
	return k.save(ctx, tx, r, Revoked, now, said)
}

// isDead reports whether the key's revocation has taken effect.
func (k *Key) isDead(now time.Time) bool {
	return k.Revoked || (!k.RevokedAt.IsZero() && !TimeOf(now).before(k.RevokedAt))
}

// notBefore returns at in whole milliseconds, or now if that is later.
func notBefore(now, at time.Time) time.Time {
	if at = toMillis(at); at.After(now) {
		return at
	}
	return now
}
