package store

import (
	"context"
	"strconv"
)

// MaxImport is the maximum number of keys in one call of Import.
const MaxImport = 1000

// ImportKey is a key from another system, with the values that it has there.
type ImportKey struct {
	// Key is imported with its id, times, creator, revocation, channels and last use. LookupID,
	// Token, Revoked and Version are computed.
	Key Key
	// Token is the token of a publishable key.
	Token string
	// Salt and Hash are what Medusa stores for a secret key: the hexadecimal text of the salt, and
	// the 64 bytes of scrypt. The key authenticates with its old token at once. Its first use sets
	// its lookup id.
	Salt string
	Hash []byte
}

// ImportResult counts what happened to the keys of a batch.
type ImportResult struct {
	Imported int
	Known    int // already exist here; not changed
	Gone     int // were deleted here; stay deleted
	Refused  []Refusal
}

// Refusal names a key that could not be imported, and the reason.
type Refusal struct{ ID, Reason string }

// Import imports up to MaxImport keys in one change. It does not update, un-revoke or recreate a
// key that exists here or was deleted here. Keys are matched by id and, where it is known, by
// token. So Import may be run again at any time. Keys that cannot be imported are named in the
// result; the others are imported. With dryRun nothing is written, and the result is what it would
// be. On an error no key of the batch is imported.
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
	errDry := Errorf(ErrNotAllowed, "dry run") // rolls back the change
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
	if err != nil && !(dryRun && err == errDry) { //nolint:errorlint // exactly this error
		return ImportResult{}, err
	}
	return result, nil
}

// importRecord returns the record of an imported key, or an error that names the problem.
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

// alreadyHere returns which ids exist and which publishable tokens are in use.
func alreadyHere(ctx context.Context, tx Tx, ids, tokens []string) (known, taken map[string]bool, err error) {
	known, taken = make(map[string]bool), make(map[string]bool)
	found, err := tx.Find(ctx, Query{Filter: Filter{Or: []Filter{{IDs: ids}, {Tokens: tokens}}}})
	for _, r := range found {
		known[r.Key.ID] = true
		taken[r.Key.Token] = true
	}
	return known, taken, err
}

// tombstones are the ids and the lookup ids of deleted keys.
type tombstones struct {
	ids    map[string]bool
	tokens map[LookupID]bool
}

// deletedHere reads the tombstones from the event log, where events of deletions are never pruned.
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
