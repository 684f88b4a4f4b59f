// Package sqldb is the one implementation of store.Store over database/sql. What differs between databases is a [Dialect],
// which store/sqlite and store/postgres bring; it imports no driver.
//
// Read dialect.go first, then change.go (how the feed's numbers come to have no gaps) and lookup.go (the hot path).
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// defaultTimeout bounds a statement when Options.Timeout is zero.
const defaultTimeout = time.Second

// Options are what both dialects have in common. The zero value is ready for use.
type Options struct {
	// Logger is told when the database goes out of reach at the start and when it is there. Nil: slog.Default().
	Logger *slog.Logger
	// Timeout bounds each statement, whatever the deadline of the context. Zero: 1 s.
	Timeout time.Duration
	// IndexAfter is when an index that is missing begins to be made. Zero: after 3 s.
	IndexAfter time.Duration
}

// Store is a store.Store in an SQL database. It is made by Open.
type Store struct {
	db      *sql.DB
	d       Dialect
	log     *slog.Logger
	timeout time.Duration
	sql     statements
	lookup  atomic.Pointer[sql.Stmt] // set under mu; nil until it is needed
	started time.Time
	level   int // what this program knows
	lacking atomic.Pointer[lacking]
	checked atomic.Int64  // from started to the last good check of Dialect.Files, in nanoseconds
	turns   chan struct{} // one place for each change that may be under way at once

	closed *condition // what a closed store answers; its own value, so that it can be told apart
	state  atomic.Pointer[condition]
	mu     sync.Mutex // held by whoever changes state
	fatal  error      // guarded by mu

	stop context.CancelFunc // ends the background work
	done chan struct{}      // closed when the background work has ended

	indexing   bool          // some index is missing; set by setUp
	indexAfter time.Duration // Options.IndexAfter, so that a command that ends soon leaves no index half made
}

// condition is why the store cannot answer; none is needed when it can.
type condition struct{ err error }

// Info implements store.Store.
func (s *Store) Info() store.Info { return store.Info{Name: s.d.Name} }

// usable returns why nothing can be answered, if so.
func (s *Store) usable() error {
	if c := s.state.Load(); c != nil {
		return c.err
	}
	return s.inPlace()
}

// checkEvery is how long lookups rely on one check of the files, which would be a tenth of what
// they cost. Caches learn of a change within a second, so this is well below what anybody can count
// on.
const checkEvery = 10 * time.Millisecond

// lookupUsable is usable for lookups.
func (s *Store) lookupUsable() error {
	if c := s.state.Load(); c != nil {
		return c.err
	}
	if s.d.Files == nil || time.Since(s.started)-time.Duration(s.checked.Load()) < checkEvery {
		return nil
	}
	return s.inPlace()
}

// inPlace checks the files of the database, and gives it up for good when they have been replaced.
func (s *Store) inPlace() error {
	if s.d.Files == nil {
		return nil
	}
	began := time.Since(s.started)
	err := s.d.Files.Check()
	switch {
	case err == nil:
		s.checked.Store(int64(began))
		return nil
	case !errors.Is(err, store.ErrReplaced):
		return err
	}
	if s.refuse(err) {
		s.log.Error("the database file has been replaced: "+
			"no key can be checked or changed until this program is restarted", "store", s.d.Name, "error", err)
	}
	return s.state.Load().err
}

// become changes what the store answers; nil: everything. Once closed it stays closed.
func (s *Store) become(c *condition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Load() != s.closed {
		s.state.Store(c)
	}
}

// refuse makes the store answer err for ever, and reports whether it is the first such error.
func (s *Store) refuse(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fatal != nil {
		return false
	}
	s.fatal = err
	if s.state.Load() != s.closed {
		s.state.Store(&condition{fmt.Errorf("%w: %w", store.ErrUnavailable, err)})
	}
	return true
}

// Err returns what keeps the store from ever working again: an error that matches
// store.ErrSchemaTooNew, store.ErrWrongDialect or store.ErrNoAccess, if the background migration
// met it, or store.ErrReplaced. Every other method then answers with it too. It is nil while things
// are well or may heal.
func (s *Store) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fatal
}

// Ready returns nil when the database has been migrated, answers now, and lets keys be changed, and
// otherwise an error that matches store.ErrUnavailable. Where lookups work and changes cannot, it
// also matches store.ErrReadOnly, and names the reason. It is made for a readiness probe.
func (s *Store) Ready(ctx context.Context) error {
	_, err := s.Feed(ctx, 0, 0)
	if state := sqlState(err); s.d.Rights == nil || err != nil && state != missingRight && state != missingTable {
		return err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	lack, unknown := s.d.Rights(ctx, s.db)
	switch {
	case unknown != nil:
		return errors.Join(err, s.fail("ask for rights", unknown))
	case err != nil || lack.Read != "":
		return fmt.Errorf("%w: %w", store.ErrUnavailable, s.noAccess(lack.Read, err))
	case lack.Write != "":
		return fmt.Errorf("%s: %w: %w: %s", s.d.Name, store.ErrUnavailable, store.ErrReadOnly, lack.Write)
	}
	return nil
}

// Close implements store.Store.
func (s *Store) Close(ctx context.Context) error {
	s.become(s.closed)
	s.stop()
	var err error
	if stmt := s.lookup.Load(); stmt != nil { // no other will be prepared
		err = stmt.Close() // lookups that are under way may end
	}
	select {
	case <-s.done: // also when ctx has ended
	default:
		select {
		case <-s.done:
		case <-ctx.Done():
			return fmt.Errorf("%s: close: %w", s.d.Name, ctx.Err())
		}
	}
	return errors.Join(err, s.closeFiles())
}

// closeFiles must be called when no set-up is under way any more. It may be called again.
func (s *Store) closeFiles() error {
	if s.d.Files == nil {
		return nil
	}
	return s.d.Files.Close()
}

// bounded returns a context for one statement.
func (s *Store) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return within(ctx, s.timeout)
}

func within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= limit {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, limit)
}
