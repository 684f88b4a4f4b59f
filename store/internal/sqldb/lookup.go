package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/latchkey-go/latchkey/store"
)

// A lookup reads the feed's head and the key in one statement, so that the record reflects exactly the events up to that head. The
// feed's row is always there; when there is no key, every other column is NULL.
var (
	lookupSQL = `SELECT feed_id, head, ` + headTag + `, ` + lookupColumns() + `
		FROM latchkey_feed LEFT JOIN latchkey_key k ON k.lookup_id = ? WHERE latchkey_feed.id = 1`
	lookupLegacySQL = `SELECT feed_id, head, ` + headTag + `, ` + lookupColumns() + `
		FROM latchkey_feed LEFT JOIN latchkey_key k ON k.lookup_id = ? OR (k.lookup_id IS NULL AND k.redacted = ?) WHERE latchkey_feed.id = 1`
)

// uncached is how many of the last keyColumns are not part of what is cached.
const uncached = 2

// lookupColumns leaves out what is not cached.
func lookupColumns() string {
	return "k." + strings.Join(keyColumns[:len(keyColumns)-uncached], ", k.")
}

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
	found, err := readFound(rows)
	if err != nil {
		return store.Found{}, s.fail("lookup", err)
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

// prepared returns the lookup's statement, which is prepared with the first lookup, and by database/sql on each further connection.
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

func readFound(rows *sql.Rows) (found store.Found, err error) {
	defer rows.Close()
	var e store.Evidence // of the row at hand
	targets := make([]any, 0, 3+len(keyColumns))
	for rows.Next() {
		r := new(store.Record)
		targets = appendTargets(append(targets[:0], &found.FeedID, &found.Head, (*number)(&found.Tag)), r, &e)
		if err := rows.Scan(targets[:len(targets)-uncached]...); err != nil {
			return store.Found{}, err
		}
		r.SetEvidence(e)
		switch {
		case r.Key.ID == "": // no key at all
		case !r.Key.LookupID.IsZero():
			found.Record, found.Legacy = r, nil
			return found, rows.Close() // there is no other, and no legacy key counts beside it
		default:
			found.Legacy = append(found.Legacy, r)
		}
	}
	if err := rows.Err(); err != nil {
		return store.Found{}, err
	}
	if found.FeedID == "" {
		return store.Found{}, errNoFeed
	}
	return found, nil
}
