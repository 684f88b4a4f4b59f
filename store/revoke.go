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

// RevokeAt ends a key at a moment, until when it works as before; one that is past means now. A
// revocation that was scheduled before is replaced. Moments after the year 9999 are ErrInvalid.
func (k *Keys) RevokeAt(ctx context.Context, id string, at time.Time) (*Key, error) {
	if err := checkRevokedAt(at); err != nil {
		return nil, err
	}
	var key *Key
	dead := false
	err := k.change(ctx, "revoke", func(tx Tx) error {
		by, found, err := k.targets(ctx, tx, id)
		if err == errNarrowed && by.holder.ID == id { //nolint:errorlint // that very error
			err = nil // what a key has lost does not keep it from ending itself
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
		return nil, Errorf(ErrInvalid, "There are 1 secret keys that are already revoked.") // Medusa's words
	}
	return key, nil
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

// notBefore returns at in stored form, or now when that is later.
func notBefore(now, at time.Time) time.Time {
	if at = toMillis(at); at.After(now) {
		return at
	}
	return now
}
