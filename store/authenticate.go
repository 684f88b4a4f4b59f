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
	id := t.LookupID()
	var began time.Time
	if k.recaller != nil {
		r, began = k.recaller.Recall(id)
	} else {
		began = time.Now()
	}
	if now = began; !k.realTime {
		now = k.o.Now()
	}
	if r != nil {
		err = k.judge(r, t, id, now)
	} else {
		var found Found
		if found, err = k.lookup(ctx, t, id); err != nil {
			return nil, now, err
		}
		r, err = k.pick(ctx, t, id, &found, now)
	}
	if err != nil {
		return nil, now, &lookupError{error: err, began: began}
	}
	return r, now, nil
}

// lookup asks the store for the token. Its errors match ErrUnavailable.
func (k *Keys) lookup(ctx context.Context, t Token, id LookupID) (Found, error) {
	redacted := "" // only Medusa's secret keys can be without a lookup id
	if t.medusa && t.Type() == Secret {
		redacted = t.Redacted()
	}
	found, err := k.store.Lookup(ctx, id, redacted)
	if err != nil {
		return Found{}, unavailable(err)
	}
	return found, nil
}

// pick returns the record of the token among what was found, if it may be used now.
func (k *Keys) pick(ctx context.Context, t Token, id LookupID, found *Found, now time.Time) (*Record, error) {
	switch {
	case found.Record != nil:
		return found.Record, k.judge(found.Record, t, id, now)
	case len(found.Legacy) > 0:
		return k.legacy.check(ctx, t, found.Legacy, now)
	}
	return nil, ErrUnknownToken
}

// judge returns nil when the record is the token's and may be used now.
func (k *Keys) judge(r *Record, t Token, id LookupID, now time.Time) error {
	if r.Key.LookupID != id || r.Key.Type != t.Type() {
		return ErrUnknownToken
	}
	if err := k.o.Sealer.Verify(r); err != nil {
		k.alarm(r, err)
		return err
	}
	return r.Key.Check(now)
}

// lookupError is an error that came of a lookup.
type lookupError struct {
	error
	began time.Time
}

func (l *lookupError) Unwrap() error { return l.error }

// LookupBegan returns when the lookup began, by the system's clock. Guards use it to answer all
// refusals after the same time.
func (l *lookupError) LookupBegan() time.Time { return l.began }

// unavailable makes sure that an error of a lookup, whatever it is, is not taken for a word about the key.
func unavailable(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return fmt.Errorf("store: lookup: %w", err)
	}
	return fmt.Errorf("store: lookup: %w: %w", ErrUnavailable, err)
}

// alarm logs a record whose proof does not verify, at most once a second. One that a newer program
// has sealed is none.
func (k *Keys) alarm(r *Record, err error) {
	if !errors.Is(err, ErrForged) {
		return
	}
	k.count.alarms.Add(1)
	second := k.o.Now().Unix()
	if last := k.alarms.Load(); last != second && k.alarms.CompareAndSwap(last, second) {
		k.o.Logger.Error("latchkey: a key's record was not written by this system, or its pepper is gone; refused", "key_id", r.Key.ID, "pepper", r.Evidence.Value().PepperID, "error", err)
	}
}
