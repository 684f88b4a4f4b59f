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

// lockWait is how long a change waits for those before it, in this process and in the database, and how long PostgreSQL lets it idle
// with the lock (protocol 14).
const lockWait = 2 * time.Second

// LockWaitMillis is lockWait for the dialects.
const LockWaitMillis = int(lockWait / time.Millisecond)

// eventsPerInsert keeps the number of arguments of one statement below what databases take.
const eventsPerInsert = 500

// queryer is a pool or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Change implements store.Store. A change of one existing key is three statements between BEGIN and COMMIT: take the feed's lock and the
// event's number, write the key, write the event.
//
// The feed's row is updated first. In PostgreSQL its row lock then serialises changes until they commit, so that numbers are gap-free
// and in commit order; in SQLite a transaction that began by reading could not become a writer once somebody else had written.
func (s *Store) Change(ctx context.Context, actor store.Actor, fn func(store.Tx) error) (store.Change, error) {
	if err := s.usable(); err != nil {
		return store.Change{}, err
	}
	if !storable(actor.ID) || !storable(actor.RequestID) {
		return store.Change{}, store.Errorf(store.ErrInvalid, "the actor is not valid UTF-8 or contains a NUL character")
	}
	if err := s.takeTurn(ctx); err != nil {
		return store.Change{}, err
	}
	defer func() { <-s.turns }()

	// BEGIN, COMMIT and ROLLBACK have no context of their own, only this one.
	life, end := context.WithCancelCause(ctx)
	defer end(nil)
	clock := time.AfterFunc(s.timeout, func() { end(errTimeout) })
	defer clock.Stop()
	sqlTx, err := s.db.BeginTx(life, &sql.TxOptions{Isolation: s.d.Isolation})
	if err != nil {
		return store.Change{}, s.fail("begin a change", because(life, err))
	}
	clock.Stop()
	committed := false
	defer func() { // also when fn panics
		if !committed {
			clock.Reset(s.timeout)
			_ = sqlTx.Rollback() // if it fails, the connection is thrown away, and that rolls back
		}
	}()

	t := &tx{s: s, sql: sqlTx, actor: actor}
	if err := t.begin(ctx); err != nil {
		return store.Change{}, err
	}
	if err := t.run(fn); err != nil {
		return store.Change{}, err
	}
	if len(t.change.Events) == 0 {
		clock.Reset(s.timeout)
		_ = sqlTx.Rollback() // now, since it has the lock
		return store.Change{}, s.confirm(ctx)
	}
	if err := t.finish(ctx); err != nil {
		return store.Change{}, err
	}
	if err := s.inPlace(); err != nil {
		return store.Change{}, err
	}
	clock.Reset(s.timeout)
	if err := sqlTx.Commit(); err != nil {
		return store.Change{}, s.fail("commit a change", because(life, err))
	}
	committed = true
	if err := s.inPlace(); err != nil { // what only a file that is gone has may not have happened
		return store.Change{}, err
	}
	return t.change, nil
}

// confirm returns nil when everything that can be seen is as safe as a commit is. What a change
// found done may be the work of one that was given up while it waited for a standby, and that other
// server need not have it: a fail-over would undo it. A commit waits until the standby has all that
// came before it.
func (s *Store) confirm(ctx context.Context) error {
	if s.sql.confirm == "" {
		return nil
	}
	_, err := s.exec(ctx, "confirm what is there", s.sql.confirm)
	return err
}

// because adds to an error why the transaction was given up, which drivers report as a cancelled context.
func because(life context.Context, err error) error {
	if errors.Is(context.Cause(life), errTimeout) {
		return fmt.Errorf("%w: %w", errTimeout, err)
	}
	return err
}

// takeTurn waits until fewer than Dialect.Writers changes of this process are under way. The caller must give the turn back.
func (s *Store) takeTurn(ctx context.Context) error {
	select {
	case s.turns <- struct{}{}:
		return nil
	default:
	}
	ctx, cancel := within(ctx, lockWait)
	defer cancel()
	select {
	case s.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return s.fail("wait for other changes", ctx.Err())
	}
}

// tx is a store.Tx.
type tx struct {
	s     *Store
	sql   *sql.Tx
	actor store.Actor

	change  store.Change
	pending []store.Event // numbered, not yet written; their tags are in change
	tag     store.Tag     // of the first event
	next    int64         // number of the next event
	keys    int64         // how many keys there were before
	level   int           // of the store
	lower   *store.Member // who keeps it from being raised, once that was asked
	added   int64         // how many this change has added to them

	// broken is the first error of the database. PostgreSQL takes no further statement after one, and a change that goes on as if
	// nothing had happened must not be committed.
	broken error
	over   bool
}

// begin takes the feed's lock and the number of the first event.
func (t *tx) begin(ctx context.Context) error {
	ctx, cancel := within(ctx, lockWait+t.s.timeout)
	defer cancel()
	mix := store.NewTag()
	rows, err := t.sql.QueryContext(ctx, t.s.sql.takeFeed, int64(mix))
	if err != nil {
		return t.fail("take the feed's lock", err)
	}
	defer rows.Close()
	found := false
	for rows.Next() { // to the end: only then has SQLite finished the UPDATE
		if err := rows.Scan(&t.change.FeedID, &t.next, &t.keys, (*count)(&t.level), (*number)(&t.tag)); err != nil {
			return t.fail("take the feed's lock", err)
		}
		found = true
	}
	if err := rows.Err(); err != nil {
		return t.fail("take the feed's lock", err)
	}
	if !found {
		return t.fail("take the feed's lock", errNoFeed)
	}
	t.change.Before = t.tag ^ mix
	return t.s.knows(t.level)
}

// run calls fn and says how the change went so far.
func (t *tx) run(fn func(store.Tx) error) error {
	defer func() { t.over = true }()
	if err := fn(t); err != nil {
		return err
	}
	return t.broken
}

// finish writes the events that are still pending, and the feed's row again if it must say more than that one event has been added.
func (t *tx) finish(ctx context.Context) error {
	if len(t.change.Events) == 1 && t.added == 0 {
		return t.flush(ctx, "")
	}
	const feed = `UPDATE latchkey_feed SET head = ?, keys = ?, tag = ?, tagged = ? WHERE id = 1`
	last := t.change.Events[len(t.change.Events)-1]
	args := []any{last.ID, t.keys + t.added, int64(last.Tag), last.ID}
	if t.s.d.WritableCTE && len(t.pending) > 0 {
		return t.flush(ctx, feed, args...)
	}
	if err := t.flush(ctx, ""); err != nil {
		return err
	}
	_, err := t.exec(ctx, "write the feed's head", t.s.d.bind(feed), args...)
	return err
}

// flush writes the pending events and, in the same statement as the last of them, what else is to be run.
func (t *tx) flush(ctx context.Context, also string, args ...any) error {
	for len(t.pending) > 0 {
		batch := t.pending[:min(len(t.pending), eventsPerInsert)]
		t.pending = t.pending[len(batch):]
		statement, values := insertEvents(&t.s.d, batch, t.change.Events[len(t.change.Events)-len(t.pending)-len(batch):])
		if also != "" && len(t.pending) == 0 {
			statement = `WITH written AS (` + statement + `) ` + also
			values = append(values, args...)
		}
		if _, err := t.exec(ctx, "write events", t.s.d.bind(statement), values...); err != nil {
			return err
		}
	}
	return nil
}

// usable returns why the transaction takes no more calls, if so.
func (t *tx) usable() error {
	if t.over {
		return fmt.Errorf("%s: the change is over: %w", t.s.d.Name, store.ErrClosed)
	}
	return t.broken
}

func (t *tx) fail(doing string, err error) error {
	err = t.s.fail(doing, err)
	if t.broken == nil {
		t.broken = err
	}
	return err
}

// exec runs a statement and returns how many rows it wrote.
func (t *tx) exec(ctx context.Context, doing, statement string, args ...any) (int64, error) {
	ctx, cancel := t.s.bounded(ctx)
	defer cancel()
	result, err := t.sql.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, t.fail(doing, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, t.fail(doing, err)
	}
	return n, nil
}

// Find implements store.Tx.
func (t *tx) Find(ctx context.Context, q store.Query) ([]*store.Record, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	records, err := t.s.find(ctx, t.sql, q)
	return records, t.note(err)
}

// Events implements store.Tx.
func (t *tx) Events(ctx context.Context, q store.EventQuery) ([]store.Event, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	if err := t.flush(ctx, ""); err != nil {
		return nil, err
	}
	events, err := t.s.events(ctx, t.sql, q)
	return events, t.note(err)
}

// note remembers an error of a read that may have broken the transaction: any but one about the question itself.
func (t *tx) note(err error) error {
	if err != nil && t.broken == nil && errors.Is(err, store.ErrUnavailable) {
		t.broken = err
	}
	return err
}

// Insert implements store.Tx.
func (t *tx) Insert(ctx context.Context, r *store.Record, e store.Event) error {
	if err := t.InsertQuietly(ctx, r); err != nil {
		return err
	}
	return t.Append(ctx, r, e)
}

// InsertQuietly implements store.Tx.
func (t *tx) InsertQuietly(ctx context.Context, r *store.Record) error {
	if err := t.usable(); err != nil {
		return err
	}
	if err := checkStorable(r); err != nil {
		return err
	}
	n, err := t.exec(ctx, "insert a key", t.s.sql.insert, append(t.s.d.values(r), searchText(&r.Key))...)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("%s: insert key %s: its id, lookup id or token is taken: %w", t.s.d.Name, r.Key.ID, store.ErrConflict)
	}
	t.added++
	return nil
}

// Update implements store.Tx. A lookup id or token that is another key's is an error that matches store.ErrConflict.
func (t *tx) Update(ctx context.Context, r *store.Record, e store.Event) error {
	if err := t.usable(); err != nil {
		return err
	}
	if err := checkStorable(r); err != nil {
		return err
	}
	k := &r.Key
	args := t.s.d.values(r)
	args = append(args[1:len(args)-1], searchText(k), k.ID, k.ID, lookupArg(k.LookupID), orNull(k.Token))
	n, err := t.exec(ctx, "update a key", t.s.sql.update, args...)
	if err != nil {
		return err
	}
	if n == 0 {
		return t.notUpdated(ctx, k.ID)
	}
	return t.Append(ctx, r, e)
}

// notUpdated tells the two reasons apart for which an update finds no row.
func (t *tx) notUpdated(ctx context.Context, id string) error {
	ctx, cancel := t.s.bounded(ctx)
	defer cancel()
	var there int
	if err := t.sql.QueryRowContext(ctx, t.s.sql.exists, id).Scan(&there); err != nil {
		return t.fail("update a key", err)
	}
	if there == 0 {
		return fmt.Errorf("%s: update key %q: %w", t.s.d.Name, id, store.ErrNotFound)
	}
	return fmt.Errorf("%s: update key %s: its lookup id or token is another key's: %w", t.s.d.Name, id, store.ErrConflict)
}

// Delete implements store.Tx.
func (t *tx) Delete(ctx context.Context, r *store.Record, e store.Event) error {
	if err := t.usable(); err != nil {
		return err
	}
	var n int64
	if storable(r.Key.ID) {
		var err error
		if n, err = t.exec(ctx, "delete a key", t.s.sql.remove, r.Key.ID); err != nil {
			return err
		}
	}
	if n == 0 {
		return fmt.Errorf("%s: delete key %q: %w", t.s.d.Name, r.Key.ID, store.ErrNotFound)
	}
	t.added--
	return t.Append(ctx, r, e)
}

// Append implements store.Tx. The event is numbered now and written when the change is finished, together with the others.
func (t *tx) Append(_ context.Context, r *store.Record, e store.Event) error {
	if err := t.usable(); err != nil {
		return err
	}
	e = e.Clone()
	e.ID, e.Actor, e.RequestID = t.next, t.actor.ID, t.actor.RequestID
	e.KeyID, e.LookupID = "", store.LookupID{}
	if r != nil {
		e.KeyID, e.LookupID = r.Key.ID, r.Key.LookupID
	}
	if err := checkEvent(e); err != nil {
		return err
	}
	if t.change.First == 0 {
		t.change.First = e.ID
	}
	t.change.Last = e.ID
	tag := t.tag
	if len(t.change.Events) > 0 {
		tag = store.NewTag()
	}
	t.change.Events = append(t.change.Events, store.FeedEvent{ID: e.ID, Kind: e.Kind, LookupID: e.LookupID, Tag: tag})
	t.pending = append(t.pending, e)
	t.next++
	return nil
}

// insertEvents returns one statement that writes all of events, with the tags of fed.
func insertEvents(d *Dialect, events []store.Event, fed []store.FeedEvent) (string, []any) {
	const row = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	args := make([]any, 0, 10*len(events))
	for i := range events {
		e := &events[i]
		args = append(args, e.ID, e.KeyID, lookupArg(e.LookupID), string(e.Kind), e.Version, e.Actor, e.RequestID,
			d.time(store.TimeOf(e.At)), jsonMap(e.Details), int64(fed[i].Tag))
	}
	return `INSERT INTO latchkey_event (` + eventColumns + `, tag) VALUES ` + row + strings.Repeat(", "+row, len(events)-1), args
}
