package sqldb

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey-go/latchkey/internal/meter"
	"github.com/latchkey-go/latchkey/store"
)

// keyColumn is a column of latchkey_key that is part of a record.
type keyColumn struct {
	name     string
	uncached bool // not cached, so lookups do not read it
	nullable bool // an empty text is stored as NULL
	indexed  bool // lists are filtered by it
	// target returns the destination for rows.Scan. Its type (see column.go) determines how the
	// column is read and written.
	target func(*store.Key, *store.Evidence) any
	// filterValues, if set, returns the texts that a filter allows; nil allows any.
	filterValues func(*store.Filter) []string
}

type (
	key      = *store.Key
	evidence = *store.Evidence
	filter   = *store.Filter
)

// keyColumns are the columns of a record. The first must be id and the last last_used_at, which
// updates skip. The column search is not among them: filters use it, but no record contains it.
var keyColumns = [...]keyColumn{
	{name: "id", target: func(k key, _ evidence) any { return (*text)(&k.ID) },
		filterValues: func(f filter) []string { return f.IDs }},
	{name: "type", target: func(k key, _ evidence) any { return (*text)(&k.Type) },
		filterValues: func(f filter) []string { return texts(f.Types) }},
	{name: "title", target: func(k key, _ evidence) any { return (*text)(&k.Title) },
		filterValues: func(f filter) []string { return f.Titles }},
	{name: "redacted", target: func(k key, _ evidence) any { return (*text)(&k.Redacted) }},
	{name: "token", nullable: true, target: func(k key, _ evidence) any { return (*text)(&k.Token) },
		filterValues: func(f filter) []string { return withoutEmpty(f.Tokens) }},
	{name: "lookup_id", target: func(k key, _ evidence) any { return (*lookupID)(&k.LookupID) }},
	{name: "scopes", target: func(k key, _ evidence) any { return (*list)(&k.Scopes) }},
	{name: "sales_channel_ids", target: func(k key, _ evidence) any { return (*list)(&k.SalesChannelIDs) }},
	{name: "metadata", target: func(k key, _ evidence) any { return (*textMap)(&k.Metadata) }},
	{name: "allowed_cidrs", target: func(k key, _ evidence) any { return (*prefixes)(&k.AllowedCIDRs) }},
	{name: "rate_requests", target: func(k key, _ evidence) any { return (*count)(&k.RateLimit.Requests) }},
	{name: "rate_window", target: func(k key, _ evidence) any { return (*number)(&k.RateLimit.Window) }},
	{name: "created_by", target: func(k key, _ evidence) any { return (*text)(&k.CreatedBy) },
		filterValues: func(f filter) []string { return f.CreatedBy }},
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
	{name: "description", uncached: true, nullable: true, indexed: true,
		target:       func(k key, _ evidence) any { return (*text)(&k.Description) },
		filterValues: func(f filter) []string { return f.Descriptions }},
	{name: "last_used_at", uncached: true, target: func(k key, _ evidence) any { return (*moment)(&k.LastUsedAt) }},
}

// columns returns the columns of a record for a SELECT, all or those of a lookup. Each has the
// prefix alias.
func columns(alias string, lookup bool) string {
	var names []string
	for i := range keyColumns {
		if c := &keyColumns[i]; !lookup || !c.uncached {
			names = append(names, alias+c.name)
		}
	}
	return strings.Join(names, ", ")
}

// appendTargets appends the destinations for rows.Scan, in the order of columns.
func appendTargets(dst []any, r *store.Record, e *store.Evidence, lookup bool) []any {
	for i := range keyColumns {
		if c := &keyColumns[i]; !lookup || !c.uncached {
			dst = append(dst, c.target(&r.Key, e))
		}
	}
	return dst
}

// values returns the arguments for keyColumns, with capacity for a few more.
func (d *Dialect) values(r *store.Record) []any {
	e := r.Evidence.Value()
	values := make([]any, 0, len(keyColumns)+4)
	for i := range keyColumns {
		c := &keyColumns[i]
		values = append(values, d.value(c.target(&r.Key, &e), c.nullable))
	}
	return values
}

// searchText is the text that Filter.Search searches. The program converts it to lower case,
// because databases do that differently. No search word contains the line break.
func searchText(k *store.Key) string { return strings.ToLower(k.Title + "\n" + k.Redacted) }

// checkStorable returns an error that matches store.ErrInvalid if no row can hold the record.
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

// storableColumn reports whether the texts of a target are storable.
func storableColumn(target any) bool {
	switch t := target.(type) {
	case *text:
		return storable(string(*t))
	case *list:
		return !slices.ContainsFunc(*t, func(s string) bool { return !storable(s) })
	case *names:
		return storableColumn((*list)(t))
	case *textMap:
		for name, value := range *t {
			if !storable(name) || !storable(value) {
				return false
			}
		}
	}
	return true
}

// readRecords reads all rows, whose columns are columns, and closes them. Beyond maxBytes it calls
// cancel first, which ends the statement: rows.Close alone would read the remaining rows.
func readRecords(rows *sql.Rows, maxBytes int, cancel func()) ([]*store.Record, error) {
	defer rows.Close()
	read := meter.Meter{Max: maxBytes}
	var records []*store.Record
	var e store.Evidence // of the current row
	targets := make([]any, 0, len(keyColumns))
	for rows.Next() {
		r := new(store.Record)
		if err := rows.Scan(appendTargets(targets, r, &e, false)...); err != nil {
			return nil, fmt.Errorf("row %d: %w", len(records)+1, err)
		}
		if !read.AddStruct(&r.Key) {
			cancel()
			return nil, store.Errorf(store.ErrInvalid, meter.TooLong, maxBytes)
		}
		r.SetEvidence(e)
		records = append(records, r)
	}
	return records, rows.Err()
}

// insertSQL adds a key. If its id, lookup id or token exists already, it writes no row, because an
// error would end a transaction of PostgreSQL.
func insertSQL() string {
	return `INSERT INTO latchkey_key (` + columns("", false) + `, search) VALUES (` +
		strings.Repeat("?, ", len(keyColumns)) + `?) ON CONFLICT DO NOTHING`
}

// updateSQL replaces a key except its id and last_used_at. If another key has the lookup id or
// token, it writes no row. The check is safe because every change holds the feed's lock.
func updateSQL() string {
	set := ""
	for i := range keyColumns[1 : len(keyColumns)-1] {
		set += keyColumns[1+i].name + " = ?, "
	}
	return `UPDATE latchkey_key SET ` + set + `search = ?
		WHERE id = ? AND NOT EXISTS (SELECT 1 FROM latchkey_key o WHERE o.id <> ? AND (o.lookup_id = ? OR o.token = ?))`
}
