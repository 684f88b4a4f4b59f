package store

import (
	"context"
	"time"
)

// Made is a new key with its token. The token of a secret key is available only here: it is not
// stored.
type Made struct {
	Key   *Key
	Token Token
}

// Create creates one key and returns it with its token. The creator is the principal of ctx. Errors
// match ErrInvalid for bad input, ErrForbidden when the principal is a key with less power than the
// new key, or ErrUnavailable.
func (k *Keys) Create(ctx context.Context, in NewKey) (Made, error) {
	made, err := k.CreateMany(ctx, []NewKey{in})
	if err != nil {
		return Made{}, err
	}
	return made[0], nil
}

// CreateMany creates up to 1000 keys in one change. On an error it creates no key.
func (k *Keys) CreateMany(ctx context.Context, in []NewKey) ([]Made, error) {
	if len(in) > maxCreate {
		return nil, Errorf(ErrInvalid, "At most %d keys can be created at once, got %d", maxCreate, len(in))
	}
	if len(in) == 0 {
		return nil, nil
	}
	made, records := make([]Made, len(in)), make([]*Record, len(in))
	now, secrets := k.now(), 0
	for i, n := range in {
		if n.Type == Secret {
			secrets++
		}
		r, err := k.newRecord(n, principalFrom(ctx).actor, now)
		if err != nil {
			return nil, err
		}
		token, err := mintToken(k.o.Random, n.Type, k.o.Namespace)
		if err != nil {
			return nil, err
		}
		giveToken(r, token)
		made[i], records[i] = Made{Key: r.Key.Clone(), Token: token}, r
	}
	err := k.change(ctx, "create", func(tx Tx) error {
		if err := k.mayMake(ctx, tx, records...); err != nil {
			return err
		}
		if err := k.checkNewSecrets(ctx, tx, secrets, now); err != nil {
			return err
		}
		for _, r := range records {
			if err := k.sealNew(ctx, tx, r); err != nil {
				return err
			}
			if err := tx.Insert(ctx, r, eventFor(r, Created, now, nil)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// mayMake returns nil when the principal, as it is inside the transaction, may create these keys.
func (k *Keys) mayMake(ctx context.Context, tx Tx, records ...*Record) error {
	p, _, err := k.targets(ctx, tx)
	for _, r := range records {
		if err == nil {
			err = p.holder.mayMake(&r.Key)
		}
	}
	return err
}

// newRecord checks n and returns its record, without a token.
func (k *Keys) newRecord(n NewKey, creator string, now time.Time) (*Record, error) {
	if n.Type != Publishable && n.Type != Secret {
		return nil, Errorf(ErrInvalid, "Expected: 'publishable, secret' for field 'type', but got: '%.100s'", redactSecrets(string(n.Type)))
	}
	id, err := k.ids.next(now)
	if err != nil {
		return nil, err
	}
	r := &Record{Key: Key{
		ID: id, Type: n.Type, CreatedBy: creator, CreatedAt: TimeOf(now), UpdatedAt: TimeOf(now), Version: 1,
	}}
	if isEmptyList(n.AllowedCIDRs) {
		return nil, errNoAddress
	}
	for i := range attributes {
		if take := attributes[i].take; take != nil {
			take(&r.Key, &n)
		}
	}
	normalize(&r.Key)
	if err := k.checkLifetime(&r.Key); err != nil {
		return nil, err
	}
	if err := checkNew(&r.Key, &Key{}); err != nil {
		return nil, err
	}
	if !r.Key.ExpiresAt.IsZero() && !r.Key.ExpiresAt.after(TimeOf(now)) {
		return nil, Errorf(ErrInvalid, "Field 'expires_at' is in the past: %s", r.Key.ExpiresAt)
	}
	return r, nil
}

// giveToken sets the fields of r that are derived from the token.
func giveToken(r *Record, token Token) {
	r.Key.Redacted = token.Redacted()
	r.Key.LookupID = token.LookupID()
	r.Key.Token = ""
	if r.Key.Type == Publishable {
		r.Key.Token = token.Reveal()
	}
}

// makeToken is the advice in errors of ImportToken.
const makeToken = `try: echo sk_$(openssl rand -hex 32)`

// ImportToken creates a key with a token that its users already know, for example a fixed key from
// the configuration. It returns the key and true. If a key has the token, or the event log shows
// that a key had it, nothing is changed: it returns that key, or nil if it was deleted, and false.
// So a deleted key is not created again. The prefix of the token decides the type. If in.Type is
// set and differs, the error matches ErrInvalid.
//
// A secret token that is malformed or a placeholder ([Token.IsPlaceholder]) is an error that
// matches ErrInvalid, even if a key already has it. Publishable placeholder tokens are accepted,
// because these tokens are public.
func (k *Keys) ImportToken(ctx context.Context, token string, in NewKey) (*Key, bool, error) {
	t, err := ParseToken(token)
	switch {
	case token == "":
		return nil, false, Errorf(ErrInvalid, "store: there is no token to import (%s)", makeToken)
	case err != nil:
		return nil, false, Errorf(ErrInvalid, "store: the token to import is malformed (%s)", makeToken)
	case t.Type() == Secret && t.IsPlaceholder():
		return nil, false, Errorf(ErrInvalid, "store: the token to import looks like a placeholder: %s (%s)", t.placeholder(), makeToken)
	}
	if in.Type != "" && in.Type != t.Type() {
		return nil, false, Errorf(ErrInvalid, "store: the token to import is that of a %s key, not of a %s one", t.Type(), in.Type)
	}
	in.Type = t.Type()
	now := k.now()
	r, err := k.newRecord(in, principalFrom(ctx).actor, now)
	if err != nil {
		return nil, false, err
	}
	giveToken(r, t)

	var known *Key
	seen, keyID := false, ""
	// This lookup finds a key whose events have been pruned. A key that is created after it still
	// has its event.
	if found, err := k.store.Lookup(ctx, r.Key.LookupID, ""); err != nil {
		return nil, false, unavailable(err)
	} else if found.Record != nil {
		seen, keyID = true, found.Record.Key.ID
	}
	err = k.change(ctx, "import", func(tx Tx) error {
		if err := k.mayMake(ctx, tx, r); err != nil {
			return err
		}
		past, err := tx.Events(ctx, EventQuery{LookupID: r.Key.LookupID, Limit: 1})
		if err != nil {
			return err
		}
		if len(past) > 0 {
			seen, keyID = true, past[0].KeyID
		}
		if !seen {
			if r.Key.Type == Secret {
				if err := k.checkNewSecrets(ctx, tx, 1, now); err != nil {
					return err
				}
			}
			if err := k.sealNew(ctx, tx, r); err != nil {
				return err
			}
			return tx.Insert(ctx, r, eventFor(r, Created, now, map[string]string{"origin": "import"}))
		}
		found, err := tx.Find(ctx, Query{Filter: Filter{IDs: []string{keyID}}})
		if err == nil && len(found) > 0 {
			known = &found[0].Key
		}
		return err
	})
	switch {
	case err != nil:
		return nil, false, err
	case seen:
		return known, false, nil
	}
	return r.Key.Clone(), true, nil
}

func eventFor(r *Record, kind Kind, now time.Time, details map[string]string) Event {
	return Event{Kind: kind, Version: r.Key.Version, At: now, Details: details}
}
