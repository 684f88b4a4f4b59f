package store

import (
	"context"
	"time"
)

// Roll replaces a key: in one transaction the old one is revoked, now or after grace (which never extends its life), and
// a new one is made that inherits its title, type, scopes, channels, metadata, limits, expiry and creator and names it in RolledFrom. The new token is
// returned once.
//
// Errors match ErrNotFound, ErrNotAllowed (the key is revoked or expired), ErrForbidden (the principal is a key with less power than
// the one to be rolled), ErrUnavailable.
func (k *Keys) Roll(ctx context.Context, id string, grace time.Duration) (Made, error) {
	who := principal(ctx)
	var made Made
	err := k.change(ctx, "roll", func(tx Tx) error {
		old, err := k.findOne(ctx, tx, id)
		if err != nil {
			return err
		}
		now := k.now()
		if err := old.Key.Check(now); err != nil {
			return Errorf(ErrNotAllowed, "Cannot roll an API key that is revoked or expired - %s", id)
		}
		if err := k.o.Sealer.Verify(old); err != nil { // its successor would be sealed
			return err
		}
		next, token, err := k.successor(old, now)
		if err != nil {
			return err
		}
		if err := who.holder.mayGrant(&next.Key); err != nil {
			return err
		}
		at := notBefore(now, now.Add(grace))
		if scheduled := old.Key.RevokedAt.Time(); !scheduled.IsZero() && scheduled.Before(at) {
			at = scheduled
		}
		if err := k.revokeOne(ctx, tx, old, who, now, at); err != nil {
			return err
		}
		if err := k.checkRolledSecret(ctx, tx, &next.Key, now); err != nil {
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

// successor returns a new key with the power of old, and its token.
func (k *Keys) successor(old *Record, now time.Time) (*Record, Token, error) {
	id, err := k.ids.next(now)
	if err != nil {
		return nil, Token{}, err
	}
	token, err := mintToken(k.o.Random, old.Key.Type, k.o.Namespace)
	if err != nil {
		return nil, Token{}, err
	}
	from := old.Key.Clone()
	next := &Record{Key: Key{
		ID: id, Type: from.Type, Title: from.Title, Scopes: from.Scopes, SalesChannelIDs: from.SalesChannelIDs, Metadata: from.Metadata,
		AllowedCIDRs: from.AllowedCIDRs, RateLimit: from.RateLimit, ExpiresAt: from.ExpiresAt,
		CreatedBy: from.CreatedBy, CreatedAt: TimeOf(now), UpdatedAt: TimeOf(now), RolledFrom: from.ID, Version: 1,
	}}
	k.capLifetime(&next.Key, now)
	k.giveToken(next, token)
	return next, token, nil
}
