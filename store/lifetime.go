package store

import "time"

// checkLifetime applies MaxLifetime to a key: it sets a missing expiry, and refuses one that is too
// late.
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

// capLifetime applies MaxLifetime to a key that is rolled or imported. It counts from now and
// shortens the expiry if it is later, so that the key works, but no longer than a new key would.
func (k *Keys) capLifetime(key *Key, now time.Time) {
	if k.o.MaxLifetime == 0 {
		return
	}
	if end := TimeOf(now.Add(k.o.MaxLifetime)); key.ExpiresAt.IsZero() || key.ExpiresAt.after(end) {
		key.ExpiresAt = end
	}
}
