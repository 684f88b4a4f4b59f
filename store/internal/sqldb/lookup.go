package sqldb

import (
	"context"
	"database/sql"
	"errors"

	"github.com/latchkey-go/latchkey/store"
)

// A lookup reads the feed's head and the key in one statement, so that the record reflects exactly
// the events up to that head. The feed's row always exists. If there is no key, every other column
// is NULL.
var (
	lookupSQL = `SELECT feed_id, head, level, ` + headTag + `, ` + columns("k.", true) + `
		FROM latchkey_feed LEFT JOIN latchkey_key k ON k.lookup_id = ? WHERE latchkey_feed.id = 1`
	lookupLegacySQL = `SELECT feed_id, head, level, ` + headTag + `, ` + columns("k.", true) + `
		FROM latchkey_feed LEFT JOIN latchkey_key k ON k.lookup_id = ? OR (k.lookup_id IS NULL AND k.redacted = ?) WHERE latchkey_feed.id = 1`
)

// Lookup implements store.Store.
func (s *Store) Lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {
	if err := s.lookupUsable(); err != nil {
		return store.Found{}, err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	rows, err := s.queryLookup(ctx, id, redacted)
	if err != nil {
		return store.Found{}, s.fail("lookup", err)
	}
	found, level, err := readFound(rows)
	if err != nil {
		return store.Found{}, s.fail("lookup", err)
	}
	if err := s.checkLevel(level); err != nil {
		return store.Found{}, err
	}
	return found, nil
}

func (s *Store) queryLookup(ctx context.Context, id store.LookupID, redacted string) (*sql.Rows, error) {
	if redacted != "" && storable(redacted) {
		return s.db.QueryContext(ctx, s.sql.lookupLegacy, id[:], redacted)
	}
	if !s.d.Unprepared {
		return s.db.QueryContext(ctx, s.sql.lookup, id[:])
	}
	stmt, err := s.prepared(ctx)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, id[:])
}

// prepared returns the lookup's prepared statement. The first lookup prepares it; database/sql
// prepares it again on each new connection.
func (s *Store) prepared(ctx context.Context) (*sql.Stmt, error) {
	if stmt := s.lookup.Load(); stmt != nil {
		return stmt, nil
	}
	stmt, err := s.db.PrepareContext(ctx, s.sql.lookup)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if first := s.lookup.Load(); first != nil || s.state.Load() == s.closed {
		return first, errors.Join(s.usable(), stmt.Close())
	}
	s.lookup.Store(stmt)
	return stmt, nil
}

func readFound(rows *sql.Rows) (found store.Found, level int, err error) {
	defer rows.Close()
	var row struct { // the current row, in one allocation
		evidence store.Evidence
		level    count
	}
	targets := make([]any, 0, 4+len(keyColumns))
	for rows.Next() {
		r := new(store.Record)
		targets = appendTargets(append(targets[:0], &found.FeedID, &found.Head, &row.level, (*number)(&found.Tag)), r, &row.evidence, true)
		if err := rows.Scan(targets...); err != nil {
			return store.Found{}, 0, err
		}
		r.SetEvidence(row.evidence)
		switch {
		case r.Key.ID == "": // no key
		case !r.Key.LookupID.IsZero():
			found.Record, found.Legacy = r, nil
			return found, int(row.level), rows.Close() // lookup ids are unique and exclude legacy keys
		default:
			found.Legacy = append(found.Legacy, r)
		}
	}
	if err := rows.Err(); err != nil {
		return store.Found{}, 0, err
	}
	if found.FeedID == "" {
		return store.Found{}, 0, errNoFeed
	}
	return found, int(row.level), nil
}
