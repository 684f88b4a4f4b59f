package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

const (
	// reachWithin is how long Open waits for a connection and a first answer.
	reachWithin = 2 * time.Second
	// migrateWithin bounds one attempt at a migration, waiting for that of another instance included.
	migrateWithin = 30 * time.Second
	// Between attempts the store waits for firstRetry, then twice as long each time, up to lastRetry.
	firstRetry, lastRetry = 50 * time.Millisecond, 2 * time.Second
)

// Open migrates the database and returns a Store in it. Indexes that are missing are made in the
// background, until the Store is closed. With the database out of reach the Store
// answers store.ErrUnavailable and goes on trying in the background until it is closed. Errors
// match store.ErrSchemaTooNew, store.ErrWrongDialect, store.ErrNoAccess or, when the pool is
// configured in a way that cannot work, store.ErrInvalid.
func Open(db *sql.DB, d Dialect, o Options) (*Store, error) {
	s, background, err := newStore(db, d, o)
	if err != nil {
		return nil, err
	}
	switch err := s.setUp(background); {
	case err == nil && !s.indexing:
		s.stop()
		close(s.done)
	case err == nil:
		go func() {
			defer s.ended(background)
			s.keepIndexing(background)
		}()
	case permanent(err):
		s.stop()
		return nil, err
	default:
		s.become(notYet(err))
		s.log.Warn("database out of reach: no key can be checked until it is back", "store", d.Name, "error", err)
		go s.keepTrying(background)
	}
	return s, nil
}

func newStore(db *sql.DB, d Dialect, o Options) (*Store, context.Context, error) {
	if db == nil {
		return nil, nil, store.Errorf(store.ErrInvalid, "%s: no database pool was given", d.Name)
	}
	background, stop := context.WithCancel(context.Background())
	s := &Store{
		db: db, d: d, log: o.Logger, timeout: cmp.Or(max(o.Timeout, 0), defaultTimeout),
		sql:    d.statements(),
		turns:  make(chan struct{}, max(d.Writers, 1)),
		closed: &condition{fmt.Errorf("%s: %w", d.Name, store.ErrClosed)},
		stop:   stop, done: make(chan struct{}), started: time.Now(), indexAfter: cmp.Or(o.IndexAfter, 3*time.Second),
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	var err error
	if s.level, err = d.level(); err != nil {
		return nil, nil, err
	}
	return s, background, nil
}

func permanent(err error) bool {
	return errors.Is(err, store.ErrSchemaTooNew) || errors.Is(err, store.ErrWrongDialect) || errors.Is(err, store.ErrNoAccess) ||
		errors.Is(err, store.ErrInvalid)
}

func notYet(err error) *condition {
	return &condition{fmt.Errorf("%w: the database has not been reached and migrated yet: %w", store.ErrUnavailable, err)}
}

// ended notes that the background work has ended.
func (s *Store) ended(background context.Context) {
	if background.Err() != nil { // Close may not have waited
		_ = s.closeFiles()
	}
	close(s.done)
}

// keepTrying ends when the store is ready and its indexes are made, when it can never be, or when
// it is closed.
func (s *Store) keepTrying(ctx context.Context) {
	defer s.ended(ctx)
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		err := s.setUp(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			s.become(nil)
			s.log.Info("database reached and up to date", "store", s.d.Name)
			if s.indexing {
				s.keepIndexing(ctx)
			}
			return
		case permanent(err):
			s.refuse(err)
			s.log.Error("database cannot be used: no key can be checked until this program is restarted with what it needs",
				"store", s.d.Name, "error", err)
			return
		}
		s.become(notYet(err))
	}
}

// setUp checks what is at the other end of the pool, brings its schema up to date, and finds out
// what the role may do.
func (s *Store) setUp(ctx context.Context) error {
	return s.reached(ctx, func(conn *sql.Conn) error {
		ctx, cancel := context.WithTimeout(ctx, migrateWithin)
		defer cancel()
		m := migration{d: &s.d, conn: conn, log: s.log}
		if _, _, err := m.run(ctx); err != nil {
			return s.notSetUp(ctx, conn, err)
		}
		if err := s.watch(ctx, conn); err != nil {
			return err
		}
		if err := s.checkRights(ctx, conn); err != nil {
			return err
		}
		missing, err := s.missing(ctx, conn)
		s.indexing = len(missing) > 0
		return s.keepKind("look for indexes", err)
	})
}

// reached calls do with a connection to a database of the right kind.
func (s *Store) reached(ctx context.Context, do func(*sql.Conn) error) error {
	reach, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	conn, err := s.db.Conn(reach)
	if err != nil {
		return s.notConnected(err)
	}
	defer conn.Close()
	if err := s.checkDialect(reach, conn); err != nil {
		return err
	}
	if s.d.Prepare != nil {
		ctx, cancel := context.WithTimeout(ctx, migrateWithin)
		defer cancel()
		if err := s.d.Prepare(ctx, s.db, conn); err != nil {
			return s.keepKind("prepare", err)
		}
	}
	return do(conn)
}

// checkRights refuses a role that cannot look keys up. One that cannot change them is let in: Ready
// says so.
func (s *Store) checkRights(ctx context.Context, conn *sql.Conn) error {
	if s.d.Rights == nil {
		return nil
	}
	switch lack, err := s.d.Rights(ctx, conn); {
	case err != nil:
		return s.fail("ask for rights", err)
	case lack.Read != "":
		return s.noAccess(lack.Read, nil)
	case lack.Write != "":
		s.log.Warn("keys cannot be changed", "store", s.d.Name, "reason", lack.Write)
	}
	return nil
}

func (s *Store) watch(ctx context.Context, conn *sql.Conn) error {
	if s.d.Files == nil {
		return nil
	}
	return s.keepKind("find the files of the database", s.d.Files.Watch(ctx, s.db, conn))
}

// keepKind wraps an error of the driver; one that has its meaning already stays as it is.
func (s *Store) keepKind(doing string, err error) error {
	if err == nil || permanent(err) {
		return err
	}
	return s.fail(doing, err)
}

// checkDialect asks the server what it is. A server that does not understand the question but does understand another dialect's
// is the wrong one.
func (s *Store) checkDialect(ctx context.Context, conn *sql.Conn) error {
	var answer string
	err := conn.QueryRowContext(ctx, s.d.Probe).Scan(&answer)
	if err == nil && s.d.Speaks(answer) {
		return nil
	}
	if err != nil {
		for _, other := range []string{`SELECT 'SQLite ' || sqlite_version()`, `SELECT version()`} {
			if conn.QueryRowContext(ctx, other).Scan(&answer) == nil {
				return fmt.Errorf("%s: %w: this is %s", s.d.Name, store.ErrWrongDialect, answer)
			}
		}
		return s.fail("connect", err)
	}
	return fmt.Errorf("%s: %w: this is %s", s.d.Name, store.ErrWrongDialect, answer)
}
