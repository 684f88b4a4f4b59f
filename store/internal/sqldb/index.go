package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// Indexes returns the statements of all indexes. Unlike migrations, they have no version and
// describe the wanted state. Whenever an instance starts, it creates missing or broken indexes in
// the background, while all instances serve. So no program may need an index for correctness. In an
// empty database, the indexes are created with the tables.
//
// Each statement is CREATE [UNIQUE] INDEX IF NOT EXISTS latchkey_… ON latchkey_… (…). To drop an
// index, remove it here and drop it in a migration. A program does not touch the indexes of a
// schema that is newer than the program.
func Indexes() string {
	all := `
CREATE INDEX IF NOT EXISTS latchkey_key_legacy ON latchkey_key (redacted) WHERE lookup_id IS NULL;
CREATE INDEX IF NOT EXISTS latchkey_key_created_at ON latchkey_key (created_at, id);
CREATE INDEX IF NOT EXISTS latchkey_key_revoked_at ON latchkey_key (revoked_at, id);
CREATE INDEX IF NOT EXISTS latchkey_event_key ON latchkey_event (key_id, id);
CREATE INDEX IF NOT EXISTS latchkey_event_lookup ON latchkey_event (lookup_id, id) WHERE lookup_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS latchkey_event_occurred_at ON latchkey_event (occurred_at);
`
	for _, c := range keyColumns {
		if c.indexed {
			all += fmt.Sprintf("CREATE INDEX IF NOT EXISTS latchkey_key_%s ON latchkey_key (%[1]s) "+
				"WHERE %[1]s IS NOT NULL;\n", c.name)
		}
	}
	return all
}

// index is one statement of Indexes.
type index struct {
	name, table   string
	plain, online string // statements
}

const (
	// indexPollInterval is the wait while another instance creates indexes.
	indexPollInterval = time.Second
	// maxIndexRetry is the longest wait after failures.
	maxIndexRetry = 5 * time.Minute
	// indexLogInterval is the time between log messages while an index is being created.
	indexLogInterval = 30 * time.Second
)

// errIndexingElsewhere means that another instance creates indexes now.
var errIndexingElsewhere = errors.New("another instance makes the indexes")

var (
	lineComment     = regexp.MustCompile(`(?m)^--.*\n`)
	createStatement = regexp.MustCompile(`(?s)^CREATE ((?:UNIQUE )?INDEX )(IF NOT EXISTS (latchkey_\w+) ON )(latchkey_\w+)( .*)$`)
)

// indexes parses Dialect.Indexes. An error means that it is invalid.
func (d *Dialect) indexes() (all []index, err error) {
	for _, statement := range statementsOf(lineComment.ReplaceAllString(d.Indexes, "")) {
		p := createStatement.FindStringSubmatch(statement)
		if p == nil {
			return nil, fmt.Errorf("not the statement of an index: %s", statement)
		}
		table := d.bind(p[4])
		all = append(all, index{name: p[3], table: table, plain: statement,
			online: "CREATE " + p[1] + d.Concurrently + p[2] + table + p[5]})
	}
	return all, nil
}

// createFirstIndexes creates the indexes of new tables, in the transaction that creates the tables.
func (m *migration) createFirstIndexes(ctx context.Context) error {
	all, err := m.d.indexes()
	if err != nil {
		return err
	}
	for _, i := range all {
		if _, err := m.conn.ExecContext(ctx, i.plain); err != nil {
			return fmt.Errorf("index %s: %w", i.name, err)
		}
	}
	return nil
}

// States of an index that Dialect.IndexState returns. Any other means that it is missing.
const (
	indexValid    = "valid"
	indexBroken   = "broken"
	indexBuilding = "at work" // a process creates it now
)

// missing returns the indexes that are missing or not valid.
func (s *Store) missing(ctx context.Context, db RowQuerier) (missing []index, err error) {
	all, err := s.d.indexes()
	if err != nil || len(all) == 0 {
		return nil, err
	}
	steps, err := readSteps(s.d.Migrations)
	if err != nil {
		return nil, err
	}
	if at, err := s.d.version(ctx, db, len(steps)); err != nil || at > len(steps) {
		return nil, err
	}
	for _, i := range all {
		if state, err := s.indexState(ctx, db, i); err != nil {
			return nil, err
		} else if state != indexValid {
			missing = append(missing, i)
		}
	}
	return missing, nil
}

func (s *Store) indexState(ctx context.Context, db RowQuerier, i index) (state string, err error) {
	err = db.QueryRowContext(ctx, s.d.bind(s.d.IndexState), i.name, i.table).Scan(&state)
	return state, err
}

// createIndexes creates the missing indexes, one after the other, and returns their names.
func (s *Store) createIndexes(ctx context.Context) (created []string, err error) {
	if s.d.IndexLock != "" {
		// A separate transaction holds the lock, because a pooler does not preserve sessions. It
		// sets the isolation level: with a snapshot in the transaction, CREATE INDEX CONCURRENTLY
		// would wait for its end.
		lockTx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			return nil, err
		}
		defer func() { _ = lockTx.Rollback() }()
		var got bool
		if err := lockTx.QueryRowContext(ctx, s.d.IndexLock).Scan(&got); err != nil {
			return nil, err
		}
		if !got {
			return nil, errIndexingElsewhere
		}
		if _, err := lockTx.ExecContext(ctx, s.d.AllowIdle); err != nil {
			return nil, err
		}
	}
	missing, err := s.missing(ctx, s.db)
	for _, i := range missing {
		if err := s.createIndex(ctx, i); err != nil {
			return created, fmt.Errorf("index %s: %w", i.name, err)
		}
		created = append(created, i.name)
	}
	return created, err
}

func (s *Store) createIndex(ctx context.Context, i index) error {
	began := time.Now()
	switch state, err := s.indexState(ctx, s.db, i); {
	case err != nil:
		return err
	case state == indexBuilding: // for a killed process, or started by hand
		return errIndexingElsewhere
	case state == indexBroken:
		s.log.Warn("an index was not completed: it is dropped and made again", "store", s.d.Name, "index", i.name)
		if _, err := s.db.ExecContext(ctx, fmt.Sprintf(s.d.DropIndex, s.d.bind(i.name))); err != nil {
			return err
		}
	}
	s.log.Info("making an index while the table is in use", "store", s.d.Name, "index", i.name)
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(indexLogInterval):
				s.log.Info("still making an index",
					"store", s.d.Name, "index", i.name, "for", time.Since(began).Round(time.Second))
			}
		}
	}()
	if _, err := s.db.ExecContext(ctx, i.online); IsBusy(err) { // SQLite has one lock, which changes use too
		return errIndexingElsewhere
	} else if err != nil {
		return err
	}
	s.log.Info("index made", "store", s.d.Name, "index", i.name, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// indexConnections is the number of connections that createIndexes uses at once.
func (s *Store) indexConnections() int {
	if s.d.IndexLock == "" {
		return 1
	}
	return 2
}

// waitForIndexes creates the missing indexes. While another instance creates them, it waits.
func (s *Store) waitForIndexes(ctx context.Context) (all []string, err error) {
	if most := s.db.Stats().MaxOpenConnections; most > 0 && most < s.indexConnections() {
		return nil, store.Errorf(store.ErrInvalid, "%s: an index needs %d connections while it is made, and the pool has %d",
			s.d.Name, s.indexConnections(), most)
	}
	for {
		created, err := s.createIndexes(ctx)
		all = append(all, created...)
		if !errors.Is(err, errIndexingElsewhere) {
			return all, s.migrateError(ctx, s.db, err)
		}
		s.log.Info("waiting for another instance that makes indexes", "store", s.d.Name)
		select {
		case <-ctx.Done():
			return all, s.fail("wait for indexes", ctx.Err())
		case <-time.After(indexPollInterval):
		}
	}
}

// indexInBackground creates the missing indexes while the store serves. It ends when all exist,
// when the role lacks the right, or when the store is closed.
func (s *Store) indexInBackground(ctx context.Context) {
	if most := s.db.Stats().MaxOpenConnections; most > 0 && most <= s.indexConnections() {
		s.log.Warn("an index is missing, and the pool has too few connections to make it beside lookups: run latchkey migrate",
			"store", s.d.Name, "connections", most)
		return
	}
	for pause, wait := s.indexAfter, indexPollInterval; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = indexPollInterval
		_, err := s.createIndexes(ctx)
		switch {
		case err == nil || ctx.Err() != nil:
			return
		case errors.Is(err, errIndexingElsewhere):
		case sqlState(err) == missingRight:
			s.log.Warn("an index is missing: some lists are slower",
				"store", s.d.Name, "error", s.migrateError(ctx, s.db, err))
			return
		default:
			s.log.Warn("an index could not be made: trying again", "store", s.d.Name, "in", wait, "error", err)
			pause, wait = wait, min(2*wait, maxIndexRetry)
		}
	}
}
