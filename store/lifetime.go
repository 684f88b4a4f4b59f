package store

import "time"

// checkLifetime holds MaxLifetime against an expiry that was asked for, or was not.
func (k *Keys) checkLifetime(key *Key) error {
	if k.o.MaxLifetime == 0 {
		return nil
	}
	end := TimeOf(key.CreatedAt.Time().Add(k.o.MaxLifetime))
	if key.ExpiresAt.IsZero() {
		key.ExpiresAt = end
	}
	if key.ExpiresAt.after(end) {
		return Errorf(ErrInvalid, "Field 'expires_at' is later than %s, the longest lifetime allowed here", end)
	}
	return nil
}

// capLifetime does the same for a key whose expiry nobody was asked for, because it comes from another key or another system:
// counted from now, so that the key works, but not for longer than any that is made now.
func (k *Keys) capLifetime(key *Key, now time.Time) {
	if k.o.MaxLifetime == 0 {
		return
	}
	if end := TimeOf(now.Add(k.o.MaxLifetime)); key.ExpiresAt.IsZero() || key.ExpiresAt.after(end) {
		key.ExpiresAt = end
	}
}
