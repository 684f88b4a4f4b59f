package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Authenticate returns the key that the token belongs to, if it may be used now. With types given, a token of any other is
// ErrWrongType. The key is shared and must not be modified. Each success counts as a use (Key.LastUsedAt).
//
// A malformed token is refused without I/O. Errors match ErrUnauthenticated (and one of ErrMalformed, ErrUnknownToken, ErrRevoked,
// ErrExpired, ErrForged), ErrWrongType, or ErrUnavailable: then nothing is known about the token.
func (k *Keys) Authenticate(ctx context.Context, token string, types ...Type) (*Key, error) {
	r, now, err := k.check(ctx, token, types)
	if err != nil {
		k.count.failed(ctx, err)
		return nil, err
	}
	k.count.authenticated.add(now)
	k.uses.note(r, now)
	return &r.Key, nil
}

// Verify is Authenticate without counting as a use.
func (k *Keys) Verify(ctx context.Context, token string, types ...Type) (*Key, error) {
	r, _, err := k.check(ctx, token, types)
	if err != nil {
		return nil, err
	}
	return &r.Key, nil
}

// check returns the record of the key, and when that was good.
func (k *Keys) check(ctx context.Context, token string, types []Type) (r *Record, now time.Time, err error) {
	t, err := ParseToken(token)
	if err != nil {
		return nil, now, err
	}
	if t.medusa && k.o.RefuseMedusaTokens {
		return nil, now, ErrMalformed
	}
	if len(types) > 0 && !slices.Contains(types, t.Type()) {
		return nil, now, ErrWrongType
	}
	redacted := "" // only Medusa's secret keys can be without a lookup id
	if t.medusa && t.Type() == Secret {
		redacted = t.Redacted()
	}
	id := t.LookupID()
	found, err := k.store.Lookup(ctx, id, redacted)
	if err != nil {
		return nil, now, undecided(err)
	}
	if now = found.At; now.IsZero() || !k.realTime {
		now = k.o.Now()
	}
	if found.Record == nil && len(found.Legacy) > 0 {
		r, err := k.legacy.check(ctx, t, found.Legacy, now)
		return r, now, err
	}
	r = found.Record
	if r == nil || r.Key.LookupID != id || r.Key.Type != t.Type() {
		return nil, now, ErrUnknownToken
	}
	if err := k.o.Sealer.Verify(r); err != nil {
		k.alarm(r, err)
		return nil, now, err
	}
	if err := r.Key.Check(now); err != nil {
		return nil, now, err
	}
	return r, now, nil
}

// undecided makes sure that an error of a lookup, whatever it is, is not taken for a word about the key.
func undecided(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return fmt.Errorf("store: lookup: %w", err)
	}
	return fmt.Errorf("store: lookup: %w: %w", ErrUnavailable, err)
}

// alarm logs a record whose proof does not verify, at most once a second.
func (k *Keys) alarm(r *Record, err error) {
	k.count.alarms.Add(1)
	second := k.o.Now().Unix()
	if last := k.alarms.Load(); last != second && k.alarms.CompareAndSwap(last, second) {
		k.o.Logger.Error("latchkey: a key's record was not written by this system, or its pepper is gone; refused", "key_id", r.Key.ID, "pepper", r.Evidence.Value().PepperID, "error", err)
	}
}
