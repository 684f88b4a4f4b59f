package store

import (
	"context"
	"time"
)

// Made is a new key with its token. Of a secret key, this is the only time that the token is there: it is stored nowhere.
type Made struct {
	Key   *Key
	Token Token
}

// Create makes one key. Its creator is the principal of ctx. Errors match ErrInvalid for bad input, ErrForbidden when the principal
// is a key and has less power than the new one would, ErrUnavailable.
func (k *Keys) Create(ctx context.Context, in NewKey) (Made, error) {
	made, err := k.CreateMany(ctx, []NewKey{in})
	if err != nil {
		return Made{}, err
	}
	return made[0], nil
}

// CreateMany makes up to 1000 keys in one change: all of them or, with an error, none.
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

// mayMake returns nil when the principal may make these keys, as it is inside the transaction.
func (k *Keys) mayMake(ctx context.Context, tx Tx, records ...*Record) error {
	p, _, err := k.targets(ctx, tx)
	for _, r := range records {
		if err == nil {
			err = p.holder.mayMake(&r.Key)
		}
	}
	return err
}

// newRecord checks n and returns a record of it that has no token yet.
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

// giveToken writes into r what is stored of its token.
func giveToken(r *Record, token Token) {
	r.Key.Redacted = token.Redacted()
	r.Key.LookupID = token.LookupID()
	r.Key.Token = ""
	if r.Key.Type == Publishable {
		r.Key.Token = token.Reveal()
	}
}

// makeToken is how to come to a token that can be imported.
const makeToken = `try: echo sk_$(openssl rand -hex 32)`

// ImportToken makes a key whose token is already known to those who use it: a fixed key from the configuration, say. It
// returns the key and true, or, when the event log has ever held that token, changes nothing and returns the key it belongs to, if
// there still is one, and false: a key that was deleted does not come back. The token's prefix
// decides the type; with Type set, a token of the other is an error that matches ErrInvalid.
//
// A secret token that is malformed or a placeholder ([Token.IsPlaceholder]) is an error that
// matches ErrInvalid, also when a key already has it. Placeholders for publishable tokens are
// taken: everybody may know those.
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
	// A key whose events have been pruned is known by itself; one that comes to be after this question has its event still.
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
