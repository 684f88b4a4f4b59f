package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// errNarrowed refuses a change by a key that was restricted after the guard let its request in: its
// scopes and addresses were compared with the request then, by those who know the route.
var errNarrowed = Errorf(ErrForbidden, "The key in use has been restricted since the request began. Send the request again.")

// targets reads the keys with these ids for a change and, in the same query, the key that asks for
// it. A request can be held open for as long as its client likes, so its key is judged as it is
// inside the transaction, not as the guard saw it. The who that is returned has that state, in a
// copy that the change does not touch.
//
// Errors match ErrUnauthenticated (the key that asks is gone, revoked or expired) or are
// errNarrowed; beside that one, who and records are returned too. An actor is not a key and is not
// read.
func (k *Keys) targets(ctx context.Context, tx Tx, ids ...string) (principal, []*Record, error) {
	p := principalFrom(ctx)
	wanted := ids
	if p.holder != nil && !slices.Contains(ids, p.holder.ID) {
		wanted = append(slices.Clone(ids), p.holder.ID)
	}
	if len(wanted) == 0 {
		return p, nil, nil
	}
	found, err := k.find(ctx, tx, Filter{IDs: wanted})
	if err != nil || p.holder == nil {
		return p, found, err
	}
	var asks *Record
	if at := slices.IndexFunc(found, func(r *Record) bool { return r.Key.ID == p.holder.ID }); at >= 0 {
		asks = found[at]
		if len(wanted) > len(ids) {
			found = slices.Delete(found, at, at+1)
		}
	}
	p.holder, err = k.currentPrincipal(p.holder, asks)
	return p, found, err
}

// target is targets for one key, which must be there.
func (k *Keys) target(ctx context.Context, tx Tx, id string) (principal, *Record, error) {
	p, found, err := k.targets(ctx, tx, id)
	if err != nil {
		return p, nil, err
	}
	if len(found) == 0 {
		return p, nil, notFound(id)
	}
	return p, found[0], nil
}

// currentPrincipal returns a copy of the key that asks as it is now, r, or says why it may not ask any more.
// r is nil when the key is gone; seen is what the guard let in.
func (k *Keys) currentPrincipal(seen *Key, r *Record) (*Key, error) {
	if r == nil {
		return nil, ErrUnknownToken
	}
	if err := k.o.Sealer.Verify(r); err != nil {
		k.alarm(r, err)
		if errors.Is(err, ErrNewerRecord) {
			return nil, err
		}
		return nil, ErrUnknownToken
	}
	if err := r.Key.Check(k.o.Now()); err != nil {
		return nil, err
	}
	now := r.Key.Clone()
	if now.mayGiveScopes(seen.Scopes) != nil || now.mayGiveAddresses(seen.AllowedCIDRs) != nil {
		return now, errNarrowed
	}
	return now, nil
}

// Reauthenticate looks up again the key that the context has as its principal, by a cache if there
// is one. It is for servers that have waited for a client since the guard let the request in, as
// for a request's body. It returns nil if the key may be used now and has lost no scope and no
// address since. A principal that is not a key is not asked.
//
// Errors match ErrUnauthenticated (gone, revoked, expired), ErrForbidden (restricted) or
// ErrUnavailable.
func (k *Keys) Reauthenticate(ctx context.Context) error {
	seen := principalFrom(ctx).holder
	if seen == nil {
		return nil
	}
	r, err := k.lookupAgain(ctx, seen)
	if err != nil {
		return unavailable(err)
	}
	_, err = k.currentPrincipal(seen, r)
	return err
}

// lookupAgain returns the record of a key that was let in, or nil when it is gone.
func (k *Keys) lookupAgain(ctx context.Context, seen *Key) (*Record, error) {
	if !seen.LookupID.IsZero() {
		found, err := k.store.Lookup(ctx, seen.LookupID, "")
		return found.Record, err
	}
	r, err := k.store.Get(ctx, seen.ID) // an imported key whose upgrade is still under way
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("store: get: %w", err)
	}
	return r, nil
}
