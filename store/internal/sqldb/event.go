package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// errNoFeed means that the row of latchkey_feed, which the migration inserts, has been deleted.
var errNoFeed = errors.New("latchkey_feed has no row")

const eventColumns = `id, key_id, lookup_id, kind, version, actor, request_id, occurred_at, details`

// headTag is the tag of the feed's head, in a statement that reads or updates latchkey_feed. It is
// NULL if a program that does not know tags has written the newest event.
const headTag = `CASE WHEN tagged = head THEN latchkey_feed.tag END`

// feedSQL limits before it joins, so that the events come in order from their primary key without a
// sort.
const feedSQL = `SELECT feed_id, head, level, ` + headTag + `, e.id, e.kind, e.lookup_id, e.tag FROM latchkey_feed
	LEFT JOIN (SELECT id, kind, lookup_id, tag FROM latchkey_event WHERE id > ? ORDER BY id LIMIT ?) e ON TRUE
	WHERE latchkey_feed.id = 1 ORDER BY e.id`

// pruneBatch is the number of events that one statement deletes. It keeps the statement short.
const pruneBatch = 1000

const pruneSQL = `DELETE FROM latchkey_event WHERE id IN (
	SELECT id FROM latchkey_event WHERE occurred_at < ? AND kind <> 'deleted' AND id < (SELECT head FROM latchkey_feed WHERE id = 1)
	ORDER BY occurred_at LIMIT 1000)`

// checkEvent returns an error that matches store.ErrInvalid for an event that no row can hold.
func checkEvent(e store.Event) error {
	fits := storable(string(e.Kind)) && storable(e.KeyID)
	for name, value := range e.Details {
		fits = fits && storable(name) && storable(value)
	}
	if !fits {
		return store.Errorf(store.ErrInvalid, "a text of the event is not valid UTF-8 or contains a NUL character")
	}
	return nil
}

// Events implements store.Store.
func (s *Store) Events(ctx context.Context, q store.EventQuery) ([]store.Event, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	return s.events(ctx, s.db, q)
}

// events reads events through the pool or a transaction.
func (s *Store) events(ctx context.Context, db queryer, q store.EventQuery) ([]store.Event, error) {
	if !storable(q.KeyID) || !storable(string(q.Kind)) {
		return nil, nil
	}
	c := conditions{d: &s.d}
	c.add("id > ?", q.After)
	if q.KeyID != "" {
		c.add("key_id = ?", q.KeyID)
	}
	c.in("key_id", q.KeyIDs)
	if !q.LookupID.IsZero() {
		c.add("lookup_id = ?", q.LookupID[:])
	}
	if q.Kind != "" {
		c.add("kind = ?", string(q.Kind))
	}
	statement := `SELECT ` + eventColumns + ` FROM latchkey_event WHERE ` + strings.Join(c.all, " AND ") + ` ORDER BY id`
	if q.Limit > 0 {
		statement, c.args = statement+` LIMIT ?`, append(c.args, int64(q.Limit))
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout) // bounded might return ctx itself
	defer cancel()
	rows, err := db.QueryContext(ctx, s.d.bind(statement), c.args...)
	if err != nil {
		return nil, s.fail("read events", err)
	}
	events, err := readEvents(rows, store.Meter{Max: q.MaxBytes}, cancel)
	if err != nil {
		return nil, s.failRead("read events", err)
	}
	return events, nil
}

// readEvents reads all rows, whose columns are eventColumns, and closes them. It uses meter and
// cancel as readRecords does.
func readEvents(rows *sql.Rows, meter store.Meter, cancel func()) ([]store.Event, error) {
	defer rows.Close()
	var events []store.Event
	for rows.Next() {
		var e store.Event
		var at store.Time
		if err := rows.Scan(&e.ID, &e.KeyID, (*lookupID)(&e.LookupID), (*text)(&e.Kind), &e.Version, &e.Actor, &e.RequestID,
			(*moment)(&at), (*textMap)(&e.Details)); err != nil {
			return nil, err
		}
		if err := meter.Add(e.Bytes()); err != nil {
			cancel()
			return nil, err
		}
		e.At = at.Time()
		events = append(events, e)
	}
	return events, rows.Err()
}

// PruneEvents implements store.Store. With an error it returns how many events have been deleted
// before.
func (s *Store) PruneEvents(ctx context.Context, before time.Time) (int, error) {
	limit := s.d.Time(ceilMillis(before))
	total := 0
	for {
		if err := s.usable(); err != nil {
			return total, err
		}
		n, err := s.exec(ctx, "prune events", s.sql.prune, limit)
		total += n
		if sqlState(err) == missingRight && s.d.Rights != nil {
			if missing, rightsErr := s.d.Rights(ctx, s.db); rightsErr == nil && missing.Prune != "" {
				return total, fmt.Errorf("%s: prune events: %w: %s", s.d.Name, store.ErrUnavailable, missing.Prune)
			}
		}
		if err != nil || n < pruneBatch {
			return total, err
		}
	}
}

// Feed implements store.Store.
func (s *Store) Feed(ctx context.Context, after int64, limit int) (store.Feed, error) {
	if err := s.usable(); err != nil {
		return store.Feed{}, err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	rows, err := s.db.QueryContext(ctx, s.sql.feed, after, int64(max(limit, 0)))
	if err != nil {
		return store.Feed{}, s.fail("read the feed", err)
	}
	feed, level, err := readFeed(rows)
	if err != nil {
		return store.Feed{}, s.fail("read the feed", err)
	}
	if err := s.checkLevel(level); err != nil {
		return store.Feed{}, err
	}
	return feed, nil
}

func readFeed(rows *sql.Rows) (feed store.Feed, level int, err error) {
	defer rows.Close()
	for rows.Next() {
		var e store.FeedEvent
		if err := rows.Scan(&feed.ID, &feed.Head, (*count)(&level), (*number)(&feed.Tag), (*number)(&e.ID), (*text)(&e.Kind),
			(*lookupID)(&e.LookupID), (*number)(&e.Tag)); err != nil {
			return store.Feed{}, 0, err
		}
		if e.ID != 0 {
			feed.Events = append(feed.Events, e)
		}
	}
	if err := rows.Err(); err != nil {
		return store.Feed{}, 0, err
	}
	if feed.ID == "" {
		return store.Feed{}, 0, errNoFeed
	}
	return feed, level, nil
}

// exec runs a writing statement outside of a change and returns how many rows it wrote.
func (s *Store) exec(ctx context.Context, doing, statement string, args ...any) (int, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	result, err := s.db.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, s.fail(doing, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, s.fail(doing, err)
	}
	return int(n), nil
}
