package store

import (
	"context"
	"time"
)

// RollOptions configure Roll. The zero value revokes the old key at once.
type RollOptions struct {
	// Grace is how long the old key continues to work. It never extends the life of the old key.
	// Default 0: the old key is revoked now.
	Grace time.Duration
	// Replace revokes the successor of an earlier roll, if it has not been used, and creates
	// another. Use it when the response with the token was lost. Uses are written every few seconds
	// (Options.FlushInterval), so a very recent use on another instance is not seen. Default: a
	// second roll is refused.
	Replace bool
}

// Roll replaces a key. In one transaction it revokes the old key, now or after a grace period, and
// creates a new key. The new key has the title, description, type, scopes, channels, metadata,
// limits, expiry and creator of the old one, and its id in RolledFrom. The event of the old key
// names the new key as its successor. Roll returns the new token; it is not available again.
//
// A key can be rolled once. While its successor, or a later successor of that, works, another roll
// is ErrNotAllowed and names it; see [RollOptions.Replace]. Earlier rolls are found in the audit
// log, so rolls whose events have been pruned are not known.
//
// Errors match ErrNotFound, ErrNotAllowed (the key is revoked, expired or already rolled),
// ErrForbidden (the principal is a key with less power than the old key, or with a rate limit), or
// ErrUnavailable.
func (k *Keys) Roll(ctx context.Context, id string, o RollOptions) (Made, error) {
	var made Made
	err := k.change(ctx, "roll", func(tx Tx) error {
		by, old, err := k.target(ctx, tx, id)
		if err != nil {
			return err
		}
		now := k.now()
		if err := old.Key.Check(now); err != nil {
			return Errorf(ErrNotAllowed, "Cannot roll an API key that is revoked or expired - %s", id)
		}
		if err := k.o.Sealer.Verify(old); err != nil { // its successor would get a valid proof
			return err
		}
		next, token, err := k.successor(old, now)
		if err != nil {
			return err
		}
		if err := by.holder.mayMake(&next.Key); err != nil {
			return err
		}
		if err := k.endSuccessors(ctx, tx, old, by, now, o.Replace); err != nil {
			return err
		}
		at := notBefore(now, now.Add(o.Grace))
		if scheduled := old.Key.RevokedAt.Time(); !scheduled.IsZero() && scheduled.Before(at) {
			at = scheduled
		}
		if err := k.revokeOne(ctx, tx, old, by, now, at, map[string]string{successorDetail: next.Key.ID}); err != nil {
			return err
		}
		if err := k.checkRolledSecret(ctx, tx, &next.Key, now); err != nil {
			return err
		}
		if err := k.sealNew(ctx, tx, next); err != nil {
			return err
		}
		made = Made{Key: next.Key.Clone(), Token: token}
		return tx.Insert(ctx, next, eventFor(next, Rolled, now, map[string]string{"rolled_from": id}))
	})
	if err != nil {
		return Made{}, err
	}
	return made, nil
}

// successorDetail is the detail of a Revoked event with the id of the key that replaced the revoked
// one.
const successorDetail = "successor"

// endSuccessors returns nil when old has no working successor. Otherwise it returns an error, or,
// with replace and if none has been used, revokes the successors.
func (k *Keys) endSuccessors(ctx context.Context, tx Tx, old *Record, by principal, now time.Time, replace bool) error {
	if old.Key.RevokedAt.IsZero() {
		return nil // a roll sets at least a time
	}
	living, err := k.livingSuccessors(ctx, tx, old.Key.ID, now)
	if err != nil || len(living) == 0 {
		return err
	}
	if last := living[len(living)-1]; !replace {
		return Errorf(ErrNotAllowed,
			"Cannot roll an API key twice - %s was rolled and its successor %s works. "+
				"Roll that one, or set 'replace' to end it if it has not been used", old.Key.ID, last.Key.ID)
	}
	for _, r := range living {
		if !r.Key.LastUsedAt.IsZero() || k.uses.waits(r.Key.ID) || by.actor == r.Key.ID {
			return Errorf(ErrNotAllowed, "Cannot replace the successor of %s - %s has been used. Roll or revoke that one", old.Key.ID, r.Key.ID)
		}
	}
	for _, r := range living {
		if err := k.revokeOne(ctx, tx, r, by, now, now, nil); err != nil {
			return err
		}
	}
	return nil
}

// maxSuccessors limits how many rolls of rolls are followed. Each happened within the grace period
// of old.
const maxSuccessors = 100

// livingSuccessors returns the working keys in the chain of successors of the key with that id, the
// newest last.
func (k *Keys) livingSuccessors(ctx context.Context, tx Tx, id string, now time.Time) (living []*Record, err error) {
	for range maxSuccessors {
		events, err := tx.Events(ctx, EventQuery{KeyID: id, Kind: Revoked})
		if err != nil {
			return nil, err
		}
		id = ""
		for _, e := range events { // the last roll counts
			if next := e.Details[successorDetail]; next != "" {
				id = next
			}
		}
		if id == "" {
			return living, nil
		}
		found, err := k.find(ctx, tx, Filter{IDs: []string{id}})
		if err != nil {
			return nil, err
		}
		if len(found) > 0 && found[0].Key.Check(now) == nil {
			living = append(living, found[0])
		}
	}
	return nil, Errorf(ErrNotAllowed, "Cannot roll an API key whose successors were rolled more than %d times - make a new one", maxSuccessors)
}

// successor returns a new key with the attributes of old, and its token.
func (k *Keys) successor(old *Record, now time.Time) (*Record, Token, error) {
	id, err := k.ids.next(now)
	if err != nil {
		return nil, Token{}, err
	}
	token, err := mintToken(k.o.Random, old.Key.Type, k.o.Namespace)
	if err != nil {
		return nil, Token{}, err
	}
	next := &Record{Key: Key{
		ID: id, Type: old.Key.Type, CreatedBy: old.Key.CreatedBy, CreatedAt: TimeOf(now), UpdatedAt: TimeOf(now), RolledFrom: old.Key.ID, Version: 1,
	}}
	for i := range attributes {
		attributes[i].copy(&next.Key, &old.Key)
	}
	if isEmptyList(next.Key.AllowedCIDRs) {
		next.Key.AllowedCIDRs = nil
	}
	k.capLifetime(&next.Key, now)
	giveToken(next, token)
	return next, token, nil
}
