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
	// connectTimeout bounds the connection and the first answer.
	connectTimeout = 2 * time.Second
	// migrateTimeout bounds one attempt to migrate, including the wait for another instance.
	migrateTimeout = 30 * time.Second
	// The wait between attempts begins with minRetry and doubles up to maxRetry.
	minRetry, maxRetry = 50 * time.Millisecond, 2 * time.Second
)

// Open migrates the database and returns a Store. It creates missing indexes in the background. If
// the database is unreachable, the Store returns store.ErrUnavailable and retries in the background
// until it is closed. Errors match store.ErrSchemaTooNew, store.ErrWrongDialect, store.ErrNoAccess
// or, if the pool is configured wrongly, store.ErrInvalid.
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
			defer s.backgroundEnded(background)
			s.indexInBackground(background)
		}()
	case permanent(err):
		s.stop()
		return nil, err
	default:
		s.setState(notReadyYet(err))
		s.log.Warn("database out of reach: no key can be checked until it is back", "store", d.Name, "error", err)
		go s.retrySetUp(background)
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
		slots:  make(chan struct{}, max(d.Writers, 1)),
		closed: &storeState{fmt.Errorf("%s: %w", d.Name, store.ErrClosed)},
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

func notReadyYet(err error) *storeState {
	return &storeState{fmt.Errorf("%w: the database has not been reached and migrated yet: %w", store.ErrUnavailable, err)}
}

// backgroundEnded marks the end of the background work.
func (s *Store) backgroundEnded(background context.Context) {
	if background.Err() != nil { // Close may not have waited
		_ = s.closeFiles()
	}
	close(s.done)
}

// retrySetUp retries until the store is ready, then creates the missing indexes. It ends early on a
// permanent error or when the store is closed.
func (s *Store) retrySetUp(ctx context.Context) {
	defer s.backgroundEnded(ctx)
	for wait := minRetry; ; wait = min(2*wait, maxRetry) {
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
			s.setState(nil)
			s.log.Info("database reached and up to date", "store", s.d.Name)
			if s.indexing {
				s.indexInBackground(ctx)
			}
			return
		case permanent(err):
			s.failPermanently(err)
			s.log.Error("database cannot be used: no key can be checked until this program is restarted with what it needs",
				"store", s.d.Name, "error", err)
			return
		}
		s.setState(notReadyYet(err))
	}
}

// setUp checks the server, migrates the schema, and checks the rights of the role.
func (s *Store) setUp(ctx context.Context) error {
	return s.withConnection(ctx, func(conn *sql.Conn) error {
		ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
		defer cancel()
		m := migration{d: &s.d, conn: conn, log: s.log}
		if _, _, err := m.run(ctx); err != nil {
			return s.migrateError(ctx, conn, err)
		}
		if err := s.watch(ctx, conn); err != nil {
			return err
		}
		if err := s.checkRights(ctx, conn); err != nil {
			return err
		}
		missing, err := s.missing(ctx, conn)
		s.indexing = len(missing) > 0
		return s.classify("look for indexes", err)
	})
}

// withConnection calls do with a connection to a database of the right kind.
func (s *Store) withConnection(ctx context.Context, do func(*sql.Conn) error) error {
	reach, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := s.db.Conn(reach)
	if err != nil {
		return s.connectError(err)
	}
	defer conn.Close()
	if err := s.checkDialect(reach, conn); err != nil {
		return err
	}
	if s.d.Prepare != nil {
		ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
		defer cancel()
		if err := s.d.Prepare(ctx, s.db, conn); err != nil {
			return s.classify("prepare", err)
		}
	}
	return do(conn)
}

// checkRights returns an error if the role cannot look keys up. A role that cannot change keys is
// accepted; Ready reports it.
func (s *Store) checkRights(ctx context.Context, conn *sql.Conn) error {
	if s.d.Rights == nil {
		return nil
	}
	switch missing, err := s.d.Rights(ctx, conn); {
	case err != nil:
		return s.fail("read the rights", err)
	case missing.Read != "":
		return s.noAccess(missing.Read, nil)
	case missing.Write != "":
		s.log.Warn("keys cannot be changed", "store", s.d.Name, "reason", missing.Write)
	}
	return nil
}

func (s *Store) watch(ctx context.Context, conn *sql.Conn) error {
	if s.d.Files == nil {
		return nil
	}
	return s.classify("find the files of the database", s.d.Files.Watch(ctx, s.db, conn))
}

// classify adds the meaning to a driver's error. It does not change an error that already has one.
func (s *Store) classify(doing string, err error) error {
	if err == nil || permanent(err) {
		return err
	}
	return s.fail(doing, err)
}

// checkDialect checks the kind of the server. If Probe fails but another dialect's probe succeeds,
// it is the wrong kind.
func (s *Store) checkDialect(ctx context.Context, conn *sql.Conn) error {
	var answer string
	err := conn.QueryRowContext(ctx, s.d.Probe).Scan(&answer)
	if err == nil && s.d.Matches(answer) {
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
