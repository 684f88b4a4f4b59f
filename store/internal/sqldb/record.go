package sqldb

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey-go/latchkey/store"
)

// keyColumns are the columns of latchkey_key that make a record, in the order of targets and values. The first is the id, and
// the last two are those that lookups leave out: description, and last_used_at, which updates leave out too. The column search is written only.
var keyColumns = [...]string{
	"id", "type", "title", "redacted", "token", "lookup_id",
	"scopes", "sales_channel_ids", "metadata", "allowed_cidrs", "rate_requests", "rate_window",
	"created_by", "created_at", "updated_at", "expires_at",
	"revoked", "revoked_at", "revoked_by", "rolled_from", "version",
	"proof", "pepper_id", "legacy_salt", "legacy_hash", "description", "last_used_at",
}

// columns returns the columns of a record for a SELECT, with a table's alias and dot before each.
func columns(alias string) string {
	return alias + strings.Join(keyColumns[:], ", "+alias)
}

// appendTargets appends where rows.Scan is to put each of keyColumns.
func appendTargets(dst []any, r *store.Record, e *store.Evidence) []any {
	k := &r.Key
	return append(dst,
		(*text)(&k.ID), (*text)(&k.Type), (*text)(&k.Title), (*text)(&k.Redacted), (*text)(&k.Token), (*lookupID)(&k.LookupID),
		(*list)(&k.Scopes), (*list)(&k.SalesChannelIDs), (*textMap)(&k.Metadata), (*prefixes)(&k.AllowedCIDRs),
		(*count)(&k.RateLimit.Requests), (*number)(&k.RateLimit.Window),
		(*text)(&k.CreatedBy), (*moment)(&k.CreatedAt), (*moment)(&k.UpdatedAt), (*moment)(&k.ExpiresAt),
		(*flag)(&k.Revoked), (*moment)(&k.RevokedAt), (*text)(&k.RevokedBy), (*text)(&k.RolledFrom), (*number)(&k.Version),
		(*blob)(&e.Proof), (*text)(&e.PepperID), (*text)(&e.LegacySalt), (*blob)(&e.LegacyHash), (*text)(&k.Description), (*moment)(&k.LastUsedAt))
}

// values returns the arguments for keyColumns.
func (d *Dialect) values(r *store.Record) []any {
	k, e := &r.Key, r.Evidence.Value()
	return []any{
		k.ID, string(k.Type), k.Title, k.Redacted, orNull(k.Token), lookupArg(k.LookupID),
		jsonList(k.Scopes), jsonList(k.SalesChannelIDs), jsonMap(k.Metadata), jsonList(k.AllowedCIDRs),
		int64(k.RateLimit.Requests), int64(k.RateLimit.Window),
		k.CreatedBy, d.time(k.CreatedAt), d.time(k.UpdatedAt), d.time(k.ExpiresAt),
		k.Revoked, d.time(k.RevokedAt), k.RevokedBy, k.RolledFrom, k.Version,
		bytesOrNull(e.Proof), e.PepperID, e.LegacySalt, bytesOrNull(e.LegacyHash), orNull(k.Description), d.time(k.LastUsedAt),
	}
}

// searchText is what Filter.Search looks into. It is kept in lower case by the program because databases disagree about
// what that is; no searched word holds the line break between the two.
func searchText(k *store.Key) string { return strings.ToLower(k.Title + "\n" + k.Redacted) }

// checkStorable returns an error that matches store.ErrInvalid for a record that no row can hold.
func checkStorable(r *store.Record) error {
	k, e := &r.Key, r.Evidence.Value()
	if k.ID == "" {
		return store.Errorf(store.ErrInvalid, "a key needs an id")
	}
	texts := []string{k.ID, string(k.Type), k.Title, k.Description, k.Redacted, k.Token, k.CreatedBy, k.RevokedBy, k.RolledFrom, e.PepperID, e.LegacySalt}
	texts = append(append(texts, k.Scopes...), k.SalesChannelIDs...)
	for name, value := range k.Metadata {
		texts = append(texts, name, value)
	}
	if slices.ContainsFunc(texts, func(s string) bool { return !storable(s) }) {
		return store.Errorf(store.ErrInvalid, "a text of the key is not valid UTF-8 or contains a NUL character")
	}
	return nil
}

// readRecords reads all rows, whose columns are keyColumns, and closes them. Beyond the meter's
// bound it calls cancel first, which ends the statement: closing alone would read the rest of the
// rows.
func readRecords(rows *sql.Rows, meter store.Meter, cancel func()) ([]*store.Record, error) {
	defer rows.Close()
	var records []*store.Record
	var e store.Evidence // of the row at hand
	targets := make([]any, 0, len(keyColumns))
	for rows.Next() {
		r := new(store.Record)
		if err := rows.Scan(appendTargets(targets, r, &e)...); err != nil {
			return nil, fmt.Errorf("row %d: %w", len(records)+1, err)
		}
		if err := meter.Add(r.Key.Bytes()); err != nil {
			cancel()
			return nil, err
		}
		r.SetEvidence(e)
		records = append(records, r)
	}
	return records, rows.Err()
}

// insertSQL adds a key unless its id, lookup id or token is taken; an error would end a transaction of PostgreSQL.
func insertSQL() string {
	return `INSERT INTO latchkey_key (` + columns("") + `, search) VALUES (` +
		strings.Repeat("?, ", len(keyColumns)) + `?) ON CONFLICT DO NOTHING`
}

// updateSQL replaces a key, all of it except its id and last_used_at, unless the lookup id or token is another key's. The check
// cannot be overtaken: whoever writes keys holds the feed's lock.
func updateSQL() string {
	return `UPDATE latchkey_key SET ` + strings.Join(keyColumns[1:len(keyColumns)-1], " = ?, ") + ` = ?, search = ?
		WHERE id = ? AND NOT EXISTS (SELECT 1 FROM latchkey_key o WHERE o.id <> ? AND (o.lookup_id = ? OR o.token = ?))`
}
