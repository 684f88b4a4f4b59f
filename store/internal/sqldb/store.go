// Package sqldb implements store.Store over database/sql. The differences between databases are in
// a [Dialect], which store/sqlite and store/postgres provide. The package imports no driver.
//
// Read dialect.go first, then change.go (how the feed gets numbers without gaps) and lookup.go (the
// hot path).
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

// Options are the settings that both dialects share. The zero value is ready to use.
type Options struct {
	// Logger receives a message when the database is unreachable at the start and when it becomes
	// reachable. Nil: slog.Default().
	Logger *slog.Logger
	// Timeout bounds each statement, even if the context has a later deadline. Zero: 1 s.
	Timeout time.Duration
	// IndexAfter is the delay before missing indexes are created. Zero: 3 s.
	IndexAfter time.Duration
}

// Store is a store.Store in an SQL database. Use Open to create one.
type Store struct {
	db           *sql.DB
	d            Dialect
	log          *slog.Logger
	timeout      time.Duration
	sql          statements
	lookup       atomic.Pointer[sql.Stmt] // set under mu; nil before the first lookup
	started      time.Time
	level        int // the newest level that this program supports
	missingRaise atomic.Pointer[missingRaise]
	checked      atomic.Int64  // from started to the last good check of Dialect.Files, in nanoseconds
	slots        chan struct{} // a semaphore of Dialect.Writers slots

	closed *storeState // the state of a closed store, compared by its address
	state  atomic.Pointer[storeState]
	mu     sync.Mutex // must be held to change state
	fatal  error      // guarded by mu

	stop context.CancelFunc // ends the background work
	done chan struct{}      // closed when the background work has ended

	indexing   bool          // an index is missing; set by setUp
	indexAfter time.Duration // Options.IndexAfter; a short command ends before it begins an index
}

// storeState is the error that every call returns. A nil *storeState means that the store is ready.
type storeState struct{ err error }

// Info implements store.Store.
func (s *Store) Info() store.Info { return store.Info{Name: s.d.Name} }

// usable returns the error that every call must return, or nil.
func (s *Store) usable() error {
	if c := s.state.Load(); c != nil {
		return c.err
	}
	return s.checkFiles()
}

// fileCheckInterval is how long lookups rely on one check of the files, which would be a tenth of
// their cost. It is well below the second within which a cache notices a change.
const fileCheckInterval = 10 * time.Millisecond

// lookupUsable is usable for lookups. It checks the files once per fileCheckInterval.
func (s *Store) lookupUsable() error {
	if c := s.state.Load(); c != nil {
		return c.err
	}
	if s.d.Files == nil || time.Since(s.started)-time.Duration(s.checked.Load()) < fileCheckInterval {
		return nil
	}
	return s.checkFiles()
}

// checkFiles checks the files of the database. If they have been replaced, the store fails
// permanently.
func (s *Store) checkFiles() error {
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
	if s.failPermanently(err) {
		s.log.Error("the database file has been replaced: "+
			"no key can be checked or changed until this program is restarted", "store", s.d.Name, "error", err)
	}
	return s.state.Load().err
}

// setState sets the error that the store returns; nil: ready. A closed store stays closed.
func (s *Store) setState(c *storeState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Load() != s.closed {
		s.state.Store(c)
	}
}

// failPermanently makes every call return err from now on. It reports whether this is the first
// such error.
func (s *Store) failPermanently(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fatal != nil {
		return false
	}
	s.fatal = err
	if s.state.Load() != s.closed {
		s.state.Store(&storeState{fmt.Errorf("%w: %w", store.ErrUnavailable, err)})
	}
	return true
}

// Err returns the error that makes the store unusable until the program restarts. It matches
// store.ErrSchemaTooNew, store.ErrWrongDialect or store.ErrNoAccess, if the migration in the
// background found that, or store.ErrReplaced. Every other method then returns it too. Err returns
// nil if there is no error or if a retry may help.
func (s *Store) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fatal
}

// Ready returns nil if the database is migrated, answers now, and accepts changes of keys.
// Otherwise the error matches store.ErrUnavailable. If lookups work and changes do not, it also
// matches store.ErrReadOnly and names the reason. Use Ready for a readiness probe.
func (s *Store) Ready(ctx context.Context) error {
	_, err := s.Feed(ctx, 0, 0)
	if state := sqlState(err); s.d.Rights == nil || err != nil && state != missingRight && state != missingTable {
		return err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	missing, rightsErr := s.d.Rights(ctx, s.db)
	switch {
	case rightsErr != nil:
		return errors.Join(err, s.fail("read the rights", rightsErr))
	case err != nil || missing.Read != "":
		return fmt.Errorf("%w: %w", store.ErrUnavailable, s.noAccess(missing.Read, err))
	case missing.Write != "":
		return fmt.Errorf("%s: %w: %w: %s", s.d.Name, store.ErrUnavailable, store.ErrReadOnly, missing.Write)
	}
	return nil
}

// Close implements store.Store.
func (s *Store) Close(ctx context.Context) error {
	s.setState(s.closed)
	s.stop()
	var err error
	if stmt := s.lookup.Load(); stmt != nil { // no other is prepared after this
		err = stmt.Close() // lookups in progress can finish
	}
	select {
	case <-s.done: // even if ctx has ended
	default:
		select {
		case <-s.done:
		case <-ctx.Done():
			return fmt.Errorf("%s: close: %w", s.d.Name, ctx.Err())
		}
	}
	return errors.Join(err, s.closeFiles())
}

// closeFiles must be called when no setUp is running. It may be called again.
func (s *Store) closeFiles() error {
	if s.d.Files == nil {
		return nil
	}
	return s.d.Files.Close()
}

// bounded returns a context for one statement. It may be ctx itself, which cancel does not end.
func (s *Store) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return withTimeout(ctx, s.timeout)
}

func withTimeout(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= limit {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, limit)
}
