package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Authenticate returns the key of the token if it may be used now. If types are given, a token of
// another type is ErrWrongType. The key is shared and must not be modified. Each success counts as
// a use (Key.LastUsedAt).
//
// A malformed token is refused without I/O. Errors match ErrUnauthenticated (and one of
// ErrMalformed, ErrUnknownToken, ErrRevoked, ErrExpired, ErrForged), ErrWrongType, or
// ErrUnavailable. ErrUnavailable says nothing about the token.
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

// Verify is like Authenticate, but does not count as a use.
func (k *Keys) Verify(ctx context.Context, token string, types ...Type) (*Key, error) {
	r, _, err := k.check(ctx, token, types)
	if err != nil {
		return nil, err
	}
	return &r.Key, nil
}

// check returns the record of the key and the time at which it was valid.
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

// lookup looks up the token in the store. Its errors match ErrUnavailable.
func (k *Keys) lookup(ctx context.Context, t Token, id LookupID) (Found, error) {
	redacted := "" // only Medusa's secret keys can lack a lookup id
	if t.medusa && t.Type() == Secret {
		redacted = t.Redacted()
	}
	found, err := k.store.Lookup(ctx, id, redacted)
	if err != nil {
		return Found{}, unavailable(err)
	}
	return found, nil
}

// pick returns the record of the token among the found ones, if it may be used now.
func (k *Keys) pick(ctx context.Context, t Token, id LookupID, found *Found, now time.Time) (*Record, error) {
	switch {
	case found.Record != nil:
		return found.Record, k.judge(found.Record, t, id, now)
	case len(found.Legacy) > 0:
		return k.legacy.check(ctx, t, found.Legacy, now)
	}
	return nil, ErrUnknownToken
}

// judge returns nil when the record belongs to the token and may be used now.
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

// lookupError is an error after a lookup.
type lookupError struct {
	error
	began time.Time
}

func (l *lookupError) Unwrap() error { return l.error }

// LookupBegan returns when the lookup began, by the system's clock. Guards use it to answer all
// refusals after the same delay.
func (l *lookupError) LookupBegan() time.Time { return l.began }

// unavailable returns an error of a lookup as one that matches ErrUnavailable, so that it says
// nothing about the key.
func unavailable(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return fmt.Errorf("store: lookup: %w", err)
	}
	return fmt.Errorf("store: lookup: %w: %w", ErrUnavailable, err)
}

// alarm logs a record whose proof does not verify, at most once a second. A record that a newer
// program has sealed is not logged.
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
