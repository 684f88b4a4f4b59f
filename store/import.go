package store

import (
	"context"
	"strconv"
)

// MaxImport is the greatest number of keys that one call of Import takes.
const MaxImport = 1000

// ImportKey is a key from another system, as it stands there.
type ImportKey struct {
	// Key is taken over with its id, times, creator, revocation, channels and last use; LookupID, Token, Revoked and Version are worked out.
	Key Key
	// Token is the token of a publishable key, which is known.
	Token string
	// Salt and Hash are what Medusa stores of a secret key: the salt's hexadecimal text, and the 64 bytes of scrypt. The key
	// authenticates with its old token at once; its first use gives it its lookup id.
	Salt string
	Hash []byte
}

// ImportResult tells what became of each key of a batch.
type ImportResult struct {
	Imported int
	Known    int // already here: left as they are
	Gone     int // deleted here: they stay deleted
	Refused  []Refusal
}

// Refusal names a key that could not be taken, and why.
type Refusal struct{ ID, Reason string }

// Import takes over up to MaxImport keys in one change. It never updates, un-revokes or makes again a key that is known here or has been
// deleted here (by its id, and where the token is known also by that), so it may be run again at any time; keys that it cannot take are named in the result and do not hinder the others. With dryRun
// nothing is written and the result is what it would be. An error means that nothing of the batch was imported.
func (k *Keys) Import(ctx context.Context, batch []ImportKey, dryRun bool) (ImportResult, error) {
	if len(batch) > MaxImport {
		return ImportResult{}, Errorf(ErrInvalid, "At most %d keys can be imported at once, got %d", MaxImport, len(batch))
	}
	var result ImportResult
	records := make([]*Record, 0, len(batch))
	ids, tokens := make([]string, 0, len(batch)), make([]string, 0, len(batch))
	seen := make(map[string]bool, len(batch))
	for _, in := range batch {
		r, err := k.importRecord(in)
		if err == nil && (seen[r.Key.ID] || seen[r.Key.Token]) {
			err = Errorf(ErrInvalid, "its id or token stands in the batch twice")
		}
		if err != nil {
			result.Refused = append(result.Refused, Refusal{ID: redactSecrets(in.Key.ID), Reason: err.Error()})
			continue
		}
		records = append(records, r)
		ids = append(ids, r.Key.ID)
		seen[r.Key.ID] = true
		if r.Key.Token != "" {
			tokens = append(tokens, r.Key.Token)
			seen[r.Key.Token] = true
		}
	}
	if len(records) == 0 {
		return result, nil
	}
	errDry := Errorf(ErrNotAllowed, "dry run") // rolls the change back
	err := k.change(ctx, "import", func(tx Tx) error {
		if err := k.mayMake(ctx, tx, records...); err != nil {
			return err
		}
		known, taken, err := alreadyHere(ctx, tx, ids, tokens)
		if err != nil {
			return err
		}
		gone, err := deletedHere(ctx, tx)
		if err != nil {
			return err
		}
		for _, r := range records {
			switch {
			case known[r.Key.ID]:
				result.Known++
				continue
			case gone.ids[r.Key.ID], gone.tokens[r.Key.LookupID]:
				result.Gone++
				continue
			case r.Key.Token != "" && taken[r.Key.Token]:
				result.Refused = append(result.Refused, Refusal{ID: r.Key.ID, Reason: "another key has the same token"})
				continue
			}
			result.Imported++
			if dryRun {
				continue
			}
			if err := k.sealNew(ctx, tx, r); err != nil {
				return err
			}
			if err := tx.InsertQuietly(ctx, r); err != nil {
				return err
			}
		}
		if dryRun {
			return errDry
		}
		if result.Imported == 0 {
			return nil
		}
		return tx.Append(ctx, nil, Event{Kind: Imported, At: k.now(), Details: map[string]string{"count": strconv.Itoa(result.Imported)}})
	})
	if err != nil && !(dryRun && err == errDry) { //nolint:errorlint // that very error, and no other
		return ImportResult{}, err
	}
	return result, nil
}

// importRecord returns the record of an imported key, or an error that says what is wrong with it.
func (k *Keys) importRecord(in ImportKey) (*Record, error) {
	r := &Record{Key: *in.Key.Clone()}
	key := &r.Key
	if key.ID == "" {
		return nil, Errorf(ErrInvalid, "it has no id")
	}
	if err := checkText("id", key.ID, maxChannelIDBytes); err != nil {
		return nil, err
	}
	normalize(key)
	k.capLifetime(key, k.now())
	if err := checkNoSecrets(key, &Key{}); err != nil {
		return nil, err
	}
	for _, field := range []struct{ name, text string }{
		{"id", key.ID}, {"redacted", key.Redacted}, {"created_by", key.CreatedBy}, {"revoked_by", key.RevokedBy}, {"rolled_from", key.RolledFrom},
		{"salt", in.Salt},
	} {
		if HoldsSecret(field.text) {
			return nil, holdsSecretError(field.name)
		}
	}
	if err := checkAttributes(key); err != nil {
		return nil, err
	}
	key.Version, key.LookupID, key.Token = 1, LookupID{}, ""
	for _, t := range []Time{key.CreatedAt, key.UpdatedAt, key.RevokedAt, key.LastUsedAt} {
		if t.Time().After(latest) {
			return nil, Errorf(ErrInvalid, "one of its times is after the year %d", latest.Year())
		}
	}
	key.Revoked = false
	key.Revoked = key.isDead(k.now())
	switch key.Type {
	case Publishable:
		token, err := ParseToken(in.Token)
		if err != nil || token.Type() != Publishable {
			return nil, Errorf(ErrInvalid, "its token does not have the form of a publishable key's")
		}
		giveToken(r, token)
	case Secret:
		if len(in.Hash) != scryptBytes || in.Salt == "" {
			return nil, Errorf(ErrInvalid, "its hash is not %d bytes of scrypt with a salt", scryptBytes)
		}
		if err := checkText("redacted", key.Redacted, 64); err != nil {
			return nil, err
		}
		if key.Redacted == "" {
			return nil, Errorf(ErrInvalid, "it has no redacted form to be found by")
		}
		r.SetEvidence(Evidence{LegacySalt: in.Salt, LegacyHash: in.Hash})
	default:
		return nil, Errorf(ErrInvalid, "its type %q is neither publishable nor secret", string(key.Type))
	}
	return r, nil
}

// alreadyHere tells which ids are known and which publishable tokens are taken.
func alreadyHere(ctx context.Context, tx Tx, ids, tokens []string) (known, taken map[string]bool, err error) {
	known, taken = make(map[string]bool), make(map[string]bool)
	found, err := tx.Find(ctx, Query{Filter: Filter{Or: []Filter{{IDs: ids}, {Tokens: tokens}}}})
	for _, r := range found {
		known[r.Key.ID] = true
		taken[r.Key.Token] = true
	}
	return known, taken, err
}

// tombstones are the keys that have been deleted, by their ids and by what their tokens were found by.
type tombstones struct {
	ids    map[string]bool
	tokens map[LookupID]bool
}

// deletedHere reads them from the event log, which keeps these events for ever.
func deletedHere(ctx context.Context, tx Tx) (tombstones, error) {
	g := tombstones{ids: make(map[string]bool), tokens: make(map[LookupID]bool)}
	events, err := tx.Events(ctx, EventQuery{Kind: Deleted})
	for _, e := range events {
		g.ids[e.KeyID] = true
		if !e.LookupID.IsZero() {
			g.tokens[e.LookupID] = true
		}
	}
	return g, err
}
