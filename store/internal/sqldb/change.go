package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// lockWait is how long a change waits for earlier ones, in this process and in the database. It is
// also how long PostgreSQL lets a change idle with the lock (protocol 14).
const lockWait = 2 * time.Second

// LockWaitMillis is lockWait for the dialects.
const LockWaitMillis = int(lockWait / time.Millisecond)

// eventsPerInsert limits the number of arguments of a statement, as databases do.
const eventsPerInsert = 500

// queryer is a pool or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Change implements store.Store. A change of one existing key is three statements between BEGIN and
// COMMIT: take the feed's lock and the event's number, write the key, write the event.
//
// The feed's row is updated first. In PostgreSQL, its row lock then serialises changes until they
// commit, so that numbers have no gaps and are in commit order. In SQLite, a transaction that
// begins with a read cannot write if another has written since.
func (s *Store) Change(ctx context.Context, actor store.Actor, fn func(store.Tx) error) (store.Change, error) {
	if err := s.usable(); err != nil {
		return store.Change{}, err
	}
	if !storable(actor.ID) || !storable(actor.RequestID) {
		return store.Change{}, store.Errorf(store.ErrInvalid, "the actor is not valid UTF-8 or contains a NUL character")
	}
	if err := s.acquireSlot(ctx); err != nil {
		return store.Change{}, err
	}
	defer func() { <-s.slots }()

	// BEGIN, COMMIT and ROLLBACK take no other context than this one.
	txCtx, endTx := context.WithCancelCause(ctx)
	defer endTx(nil)
	timer := time.AfterFunc(s.timeout, func() { endTx(errTimeout) })
	defer timer.Stop()
	sqlTx, err := s.db.BeginTx(txCtx, &sql.TxOptions{Isolation: s.d.Isolation})
	if err != nil {
		return store.Change{}, s.fail("begin a change", withCause(txCtx, err))
	}
	timer.Stop()
	committed := false
	defer func() { // also when fn panics
		if !committed {
			timer.Reset(s.timeout)
			_ = sqlTx.Rollback() // if it fails, the connection is closed, which rolls back
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
		timer.Reset(s.timeout)
		_ = sqlTx.Rollback() // now, to release the lock
		return store.Change{}, s.confirm(ctx)
	}
	if err := t.finish(ctx); err != nil {
		return store.Change{}, err
	}
	if err := s.checkFiles(); err != nil {
		return store.Change{}, err
	}
	timer.Reset(s.timeout)
	if err := sqlTx.Commit(); err != nil {
		return store.Change{}, s.fail("commit a change", withCause(txCtx, err))
	}
	committed = true
	if err := s.checkFiles(); err != nil { // a commit to a removed file is lost
		return store.Change{}, err
	}
	return t.change, nil
}

// confirm returns nil when all visible data is as safe as committed data. fn may have seen a change
// whose caller gave up while it waited for a standby. The standby may lack that change, so a
// failover would undo it. A commit waits until the standby has everything before it.
func (s *Store) confirm(ctx context.Context) error {
	if s.sql.confirm == "" {
		return nil
	}
	_, err := s.exec(ctx, "confirm what is there", s.sql.confirm)
	return err
}

// withCause adds errTimeout to an error if the timeout ended the transaction. Drivers report that
// as a cancelled context.
func withCause(txCtx context.Context, err error) error {
	if errors.Is(context.Cause(txCtx), errTimeout) {
		return fmt.Errorf("%w: %w", errTimeout, err)
	}
	return err
}

// acquireSlot waits until fewer than Dialect.Writers changes of this process are in progress. The
// caller must release the slot.
func (s *Store) acquireSlot(ctx context.Context) error {
	select {
	case s.slots <- struct{}{}:
		return nil
	default:
	}
	ctx, cancel := withTimeout(ctx, lockWait)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
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
	keys    int64         // the number of keys before this change
	level   int           // the level of the store
	lower   *store.Member // a member that is too old for a higher level, if Raise found one
	added   int64         // the number of keys that this change has added

	// broken is the first error of the database. After an error, PostgreSQL takes no further
	// statement, and the change must not be committed even if fn ignores the error.
	broken error
	over   bool
}

// begin takes the feed's lock and the number of the first event.
func (t *tx) begin(ctx context.Context) error {
	ctx, cancel := withTimeout(ctx, lockWait+t.s.timeout)
	defer cancel()
	mix := store.NewTag()
	rows, err := t.sql.QueryContext(ctx, t.s.sql.takeFeed, int64(mix))
	if err != nil {
		return t.fail("take the feed's lock", err)
	}
	defer rows.Close()
	found := false
	for rows.Next() { // SQLite finishes the UPDATE after the last row only
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
	return t.s.checkLevel(t.level)
}

// run calls fn and returns its error, or else that of the transaction.
func (t *tx) run(fn func(store.Tx) error) error {
	defer func() { t.over = true }()
	if err := fn(t); err != nil {
		return err
	}
	return t.broken
}

// finish writes the pending events. TakeFeed has already written the feed's row for a change with
// one event and no new or deleted key. For any other change, finish writes it again.
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

// flush writes the pending events. The statement of the last ones also runs the statement in also.
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

// usable returns the error that the next call must return, or nil.
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
	return records, t.recordReadError(err)
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
	return events, t.recordReadError(err)
}

// recordReadError records an error that may have broken the transaction. An error about the query
// itself has not.
func (t *tx) recordReadError(err error) error {
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

// Update implements store.Tx. If another key has the lookup id or token, the error matches
// store.ErrConflict.
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
		return t.updateError(ctx, k.ID)
	}
	return t.Append(ctx, r, e)
}

// updateError returns why an update found no row.
func (t *tx) updateError(ctx context.Context, id string) error {
	ctx, cancel := t.s.bounded(ctx)
	defer cancel()
	var there int
	if err := t.sql.QueryRowContext(ctx, t.s.sql.exists, id).Scan(&there); err != nil {
		return t.fail("update a key", err)
	}
	if there == 0 {
		return fmt.Errorf("%s: update key %q: %w", t.s.d.Name, id, store.ErrNotFound)
	}
	return fmt.Errorf("%s: update key %s: another key has its lookup id or token: %w", t.s.d.Name, id, store.ErrConflict)
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

// Append implements store.Tx. It numbers the event; a later flush writes it.
func (t *tx) Append(_ context.Context, r *store.Record, e store.Event) error {
	if err := t.usable(); err != nil {
		return err
	}
	e.Details = maps.Clone(e.Details)
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

// insertEvents returns one statement that inserts events, with the tags of fed.
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
