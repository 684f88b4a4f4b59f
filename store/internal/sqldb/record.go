package sqldb

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey-go/latchkey/store"
)

// keyColumn is a column of latchkey_key that is part of a record.
type keyColumn struct {
	name     string
	uncached bool // lookups leave it out: it is not part of what is cached
	nullable bool // an empty text is NULL
	indexed  bool // lists are filtered by it
	// target is where rows.Scan is to put it. Its type, of column.go, says how it is read and
	// written.
	target func(*store.Key, *store.Evidence) any
	// among is set where keys can be filtered by it: the texts that a filter allows, nil for any.
	among func(*store.Filter) []string
}

type (
	key      = *store.Key
	evidence = *store.Evidence
	filter   = *store.Filter
)

// keyColumns make a record. The first is the id, and the last one is last_used_at, which updates
// leave out. The column search is written only.
var keyColumns = [...]keyColumn{
	{name: "id", target: func(k key, _ evidence) any { return (*text)(&k.ID) },
		among: func(f filter) []string { return f.IDs }},
	{name: "type", target: func(k key, _ evidence) any { return (*text)(&k.Type) },
		among: func(f filter) []string { return texts(f.Types) }},
	{name: "title", target: func(k key, _ evidence) any { return (*text)(&k.Title) },
		among: func(f filter) []string { return f.Titles }},
	{name: "redacted", target: func(k key, _ evidence) any { return (*text)(&k.Redacted) }},
	{name: "token", nullable: true, target: func(k key, _ evidence) any { return (*text)(&k.Token) },
		among: func(f filter) []string { return withoutEmpty(f.Tokens) }},
	{name: "lookup_id", target: func(k key, _ evidence) any { return (*lookupID)(&k.LookupID) }},
	{name: "scopes", target: func(k key, _ evidence) any { return (*list)(&k.Scopes) }},
	{name: "sales_channel_ids", target: func(k key, _ evidence) any { return (*list)(&k.SalesChannelIDs) }},
	{name: "metadata", target: func(k key, _ evidence) any { return (*textMap)(&k.Metadata) }},
	{name: "allowed_cidrs", target: func(k key, _ evidence) any { return (*prefixes)(&k.AllowedCIDRs) }},
	{name: "rate_requests", target: func(k key, _ evidence) any { return (*count)(&k.RateLimit.Requests) }},
	{name: "rate_window", target: func(k key, _ evidence) any { return (*number)(&k.RateLimit.Window) }},
	{name: "created_by", target: func(k key, _ evidence) any { return (*text)(&k.CreatedBy) },
		among: func(f filter) []string { return f.CreatedBy }},
	{name: "created_at", target: func(k key, _ evidence) any { return (*moment)(&k.CreatedAt) }},
	{name: "updated_at", target: func(k key, _ evidence) any { return (*moment)(&k.UpdatedAt) }},
	{name: "expires_at", target: func(k key, _ evidence) any { return (*moment)(&k.ExpiresAt) }},
	{name: "revoked", target: func(k key, _ evidence) any { return (*flag)(&k.Revoked) }},
	{name: "revoked_at", target: func(k key, _ evidence) any { return (*moment)(&k.RevokedAt) }},
	{name: "revoked_by", target: func(k key, _ evidence) any { return (*text)(&k.RevokedBy) }},
	{name: "rolled_from", target: func(k key, _ evidence) any { return (*text)(&k.RolledFrom) }},
	{name: "version", target: func(k key, _ evidence) any { return (*number)(&k.Version) }},
	{name: "proof", target: func(_ key, e evidence) any { return (*blob)(&e.Proof) }},
	{name: "pepper_id", target: func(_ key, e evidence) any { return (*text)(&e.PepperID) }},
	{name: "proof_names", target: func(_ key, e evidence) any { return (*names)(&e.ProofNames) }},
	{name: "legacy_salt", target: func(_ key, e evidence) any { return (*text)(&e.LegacySalt) }},
	{name: "legacy_hash", target: func(_ key, e evidence) any { return (*blob)(&e.LegacyHash) }},
	{name: "description", uncached: true, nullable: true, indexed: true, target: func(k key, _ evidence) any { return (*text)(&k.Description) },
		among: func(f filter) []string { return f.Descriptions }},
	{name: "last_used_at", uncached: true, target: func(k key, _ evidence) any { return (*moment)(&k.LastUsedAt) }},
}

// columns returns the columns of a record for a SELECT, those of a lookup or all, with a table's
// alias and dot before each.
func columns(alias string, lookup bool) string {
	var names []string
	for i := range keyColumns {
		if c := &keyColumns[i]; !lookup || !c.uncached {
			names = append(names, alias+c.name)
		}
	}
	return strings.Join(names, ", ")
}

// appendTargets appends where rows.Scan is to put each of columns.
func appendTargets(dst []any, r *store.Record, e *store.Evidence, lookup bool) []any {
	for i := range keyColumns {
		if c := &keyColumns[i]; !lookup || !c.uncached {
			dst = append(dst, c.target(&r.Key, e))
		}
	}
	return dst
}

// values returns the arguments for keyColumns, with room for a few more.
func (d *Dialect) values(r *store.Record) []any {
	e := r.Evidence.Value()
	values := make([]any, 0, len(keyColumns)+4)
	for i := range keyColumns {
		c := &keyColumns[i]
		values = append(values, d.value(c.target(&r.Key, &e), c.nullable))
	}
	return values
}

// searchText is what Filter.Search looks into. It is kept in lower case by the program because databases disagree about
// what that is; no searched word holds the line break between the two.
func searchText(k *store.Key) string { return strings.ToLower(k.Title + "\n" + k.Redacted) }

// checkStorable returns an error that matches store.ErrInvalid for a record that no row can hold.
func checkStorable(r *store.Record) error {
	if r.Key.ID == "" {
		return store.Errorf(store.ErrInvalid, "a key needs an id")
	}
	e := r.Evidence.Value()
	for i := range keyColumns {
		if !storableColumn(keyColumns[i].target(&r.Key, &e)) {
			return store.Errorf(store.ErrInvalid, "a text of the key is not valid UTF-8 or contains a NUL character")
		}
	}
	return nil
}

// storableColumn reports whether the texts at a target are storable.
func storableColumn(target any) bool {
	switch t := target.(type) {
	case *text:
		return storable(string(*t))
	case *list:
		return !slices.ContainsFunc(*t, func(s string) bool { return !storable(s) })
	case *names:
		return !slices.ContainsFunc(*t, func(s string) bool { return !storable(s) })
	case *textMap:
		for name, value := range *t {
			if !storable(name) || !storable(value) {
				return false
			}
		}
	}
	return true
}

// readRecords reads all rows, whose columns are columns, and closes them. Beyond the meter's
// bound it calls cancel first, which ends the statement: closing alone would read the rest of the
// rows.
func readRecords(rows *sql.Rows, meter store.Meter, cancel func()) ([]*store.Record, error) {
	defer rows.Close()
	var records []*store.Record
	var e store.Evidence // of the row at hand
	targets := make([]any, 0, len(keyColumns))
	for rows.Next() {
		r := new(store.Record)
		if err := rows.Scan(appendTargets(targets, r, &e, false)...); err != nil {
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
	return `INSERT INTO latchkey_key (` + columns("", false) + `, search) VALUES (` +
		strings.Repeat("?, ", len(keyColumns)) + `?) ON CONFLICT DO NOTHING`
}

// updateSQL replaces a key, all of it except its id and last_used_at, unless the lookup id or token is another key's. The check
// cannot be overtaken: whoever writes keys holds the feed's lock.
func updateSQL() string {
	set := ""
	for i := range keyColumns[1 : len(keyColumns)-1] {
		set += keyColumns[1+i].name + " = ?, "
	}
	return `UPDATE latchkey_key SET ` + set + `search = ?
		WHERE id = ? AND NOT EXISTS (SELECT 1 FROM latchkey_key o WHERE o.id <> ? AND (o.lookup_id = ? OR o.token = ?))`
}
