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

// Indexes returns the statements of all indexes. Unlike a migration they say what should be there:
// no version is counted, and an index that is missing or broken is made whenever an instance starts,
// in the background, while all instances serve. So nothing may need one to be right. With an empty
// database they come with the tables.
//
// Each statement is CREATE [UNIQUE] INDEX IF NOT EXISTS latchkey_… ON latchkey_… (…). To take an
// index away, remove it here and drop it in a migration. A program leaves the indexes of a schema
// that is newer than itself alone.
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
			all += fmt.Sprintf("CREATE INDEX IF NOT EXISTS latchkey_key_%s ON latchkey_key (%[1]s) WHERE %[1]s IS NOT NULL;\n", c.name)
		}
	}
	return all
}

// index is one of these statements.
type index struct {
	name, table   string
	plain, online string // statements
}

const (
	// anotherLook is how long an instance waits while another makes indexes.
	anotherLook = time.Second
	// lastIndexRetry is how long it waits after many failures.
	lastIndexRetry = 5 * time.Minute
	// stillMaking is how often it says that an index is not done yet.
	stillMaking = 30 * time.Second
)

// errElsewhere means that another instance makes indexes now.
var errElsewhere = errors.New("another instance makes the indexes")

var (
	lineComment     = regexp.MustCompile(`(?m)^--.*\n`)
	createStatement = regexp.MustCompile(`(?s)^CREATE ((?:UNIQUE )?INDEX )(IF NOT EXISTS (latchkey_\w+) ON )(latchkey_\w+)( .*)$`)
)

// indexes reads Dialect.Indexes. An error is a mistake there.
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

// firstIndexes makes the indexes of tables that are new, in the transaction that has made them.
func (m *migration) firstIndexes(ctx context.Context) error {
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

// State of an index, as Dialect.IndexState answers it. Every other is a missing one.
const (
	indexValid  = "valid"
	indexBroken = "broken"
	indexAtWork = "at work" // somebody makes it now
)

// missing returns the indexes that are not there for use.
func (s *Store) missing(ctx context.Context, db Asker) (missing []index, err error) {
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

func (s *Store) indexState(ctx context.Context, db Asker, i index) (state string, err error) {
	err = db.QueryRowContext(ctx, s.d.bind(s.d.IndexState), i.name, i.table).Scan(&state)
	return state, err
}

// makeIndexes makes what is missing, one after the other, and returns the names.
func (s *Store) makeIndexes(ctx context.Context) (made []string, err error) {
	if s.d.Alone != "" {
		// A transaction of its own holds the lock, because behind a pooler there are no sessions.
		// It must not hold a snapshot, whatever the role's defaults are: the index would wait for
		// its end.
		alone, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			return nil, err
		}
		defer func() { _ = alone.Rollback() }()
		var got bool
		if err := alone.QueryRowContext(ctx, s.d.Alone).Scan(&got); err != nil {
			return nil, err
		}
		if !got {
			return nil, errElsewhere
		}
		if _, err := alone.ExecContext(ctx, s.d.Idle); err != nil {
			return nil, err
		}
	}
	missing, err := s.missing(ctx, s.db)
	for _, i := range missing {
		if err := s.makeIndex(ctx, i); err != nil {
			return made, fmt.Errorf("index %s: %w", i.name, err)
		}
		made = append(made, i.name)
	}
	return made, err
}

func (s *Store) makeIndex(ctx context.Context, i index) error {
	began := time.Now()
	switch state, err := s.indexState(ctx, s.db, i); {
	case err != nil:
		return err
	case state == indexAtWork: // for a process that has been killed, or by hand
		return errElsewhere
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
			case <-time.After(stillMaking):
				s.log.Info("still making an index", "store", s.d.Name, "index", i.name, "for", time.Since(began).Round(time.Second))
			}
		}
	}()
	if _, err := s.db.ExecContext(ctx, i.online); IsBusy(err) { // SQLite has but one lock, for changes too
		return errElsewhere
	} else if err != nil {
		return err
	}
	s.log.Info("index made", "store", s.d.Name, "index", i.name, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// builders is how many connections makeIndexes needs at once.
func (s *Store) builders() int {
	if s.d.Alone == "" {
		return 1
	}
	return 2
}

// waitForIndexes makes the indexes that are missing, or waits for those who do.
func (s *Store) waitForIndexes(ctx context.Context) (all []string, err error) {
	if most := s.db.Stats().MaxOpenConnections; most > 0 && most < s.builders() {
		return nil, store.Errorf(store.ErrInvalid, "%s: an index needs %d connections while it is made, and the pool has %d",
			s.d.Name, s.builders(), most)
	}
	for {
		made, err := s.makeIndexes(ctx)
		all = append(all, made...)
		if !errors.Is(err, errElsewhere) {
			return all, s.notSetUp(ctx, s.db, err)
		}
		s.log.Info("waiting for another instance that makes indexes", "store", s.d.Name)
		select {
		case <-ctx.Done():
			return all, s.fail("wait for indexes", ctx.Err())
		case <-time.After(anotherLook):
		}
	}
}

// keepIndexing makes the indexes that are missing while the store serves. It ends when they are
// there, when the role may not make them, or when the store is closed.
func (s *Store) keepIndexing(ctx context.Context) {
	if most := s.db.Stats().MaxOpenConnections; most > 0 && most <= s.builders() {
		s.log.Warn("an index is missing, and the pool has too few connections to make it beside lookups: run latchkey migrate",
			"store", s.d.Name, "connections", most)
		return
	}
	for pause, wait := s.indexAfter, anotherLook; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = anotherLook
		_, err := s.makeIndexes(ctx)
		switch {
		case err == nil || ctx.Err() != nil:
			return
		case errors.Is(err, errElsewhere):
		case sqlState(err) == missingRight:
			s.log.Warn("an index is missing: some lists are slower", "store", s.d.Name, "error", s.notSetUp(ctx, s.db, err))
			return
		default:
			s.log.Warn("an index could not be made: trying again", "store", s.d.Name, "in", wait, "error", err)
			pause, wait = wait, min(2*wait, lastIndexRetry)
		}
	}
}
