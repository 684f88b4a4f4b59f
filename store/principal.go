package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// errNarrowed refuses a change by a key that was restricted after the guard had accepted its
// request. The guard compared the old scopes and addresses with the request, and only it knows the
// route.
var errNarrowed = Errorf(ErrForbidden, "The key in use has been restricted since the request began. Send the request again.")

// targets reads the keys with these ids for a change and, in the same query, the key of the
// principal. A client can delay its request, so the principal's key is checked again inside the
// transaction. The returned principal has the current state of that key, in a copy that the change
// does not modify.
//
// Errors match ErrUnauthenticated (the principal's key is deleted, revoked or expired) or are
// errNarrowed. With errNarrowed, the principal and the records are returned too. An actor is not a
// key and is not read.
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

// target is targets for one key, which must exist.
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

// currentPrincipal returns a copy of r, the current record of the principal's key, or an error if
// that key may no longer make changes. r is nil when the key was deleted. seen is the key that the
// guard accepted.
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

// Reauthenticate checks again the key that is the principal of the context, through the cache if
// there is one. It is for servers that have waited for a client since the guard accepted the
// request, for example for the body. It returns nil if the key may be used now and has lost no
// scope and no address since. It returns nil also when the principal is not a key.
//
// Errors match ErrUnauthenticated (deleted, revoked, expired), ErrForbidden (restricted) or
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

// lookupAgain returns the current record of a key that a guard accepted, or nil when it was
// deleted.
func (k *Keys) lookupAgain(ctx context.Context, seen *Key) (*Record, error) {
	if !seen.LookupID.IsZero() {
		found, err := k.store.Lookup(ctx, seen.LookupID, "")
		return found.Record, err
	}
	r, err := k.store.Get(ctx, seen.ID) // an imported key that is not upgraded yet
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("store: get: %w", err)
	}
	return r, nil
}
