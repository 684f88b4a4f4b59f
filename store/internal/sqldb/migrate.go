package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// Migrations are the files migrations/NNNN_name.sql of a dialect, numbered from 1 without a gap. A
// statement ends with a semicolon at the end of a line. A file begins with its headers:
//
//	-- min_compatible: N   programs whose newest migration is N can use the schema
//	-- level: N            optional
//
// So expand first, and contract (raise min_compatible) a release later. Migrations run in one
// transaction, which blocks other transactions from the tables that it changes. So each must be
// fast, however large the table is. A new column is nullable and has no default. An index of an
// existing table belongs in Indexes (index.go).
//
// The table latchkey_version has one row: the number of the newest applied migration, and its
// min_compatible.
type migration struct {
	d    *Dialect
	conn *sql.Conn
	log  *slog.Logger
}

// lockBudget is how long one attempt waits for locks, in all of its statements together. While it
// waits for a table's lock, other transactions queue behind it.
const lockBudget = 200 * time.Millisecond

// Migrate migrates the schema and creates the missing indexes. With dry it only reads. It returns
// the versions before and after, and the names of these indexes. Use it to migrate with a separate
// role; Open does the same. Unlike Open, it waits until ctx ends.
func Migrate(ctx context.Context, db *sql.DB, d Dialect, o Options, dry bool) (from, to int, created []string, err error) {
	s, _, err := newStore(db, d, o)
	if err != nil {
		return 0, 0, nil, err
	}
	defer s.stop()
	var missing []index
	err = s.withConnection(ctx, func(conn *sql.Conn) error {
		m := migration{d: &s.d, conn: conn, log: s.log}
		if dry {
			var steps []step
			from, steps, err = m.pending(ctx)
			to = max(from, len(steps))
		} else {
			from, to, err = m.run(ctx)
		}
		if err == nil && from > 0 { // a new schema has all indexes
			missing, err = s.missing(ctx, conn)
		}
		return s.migrateError(ctx, conn, err)
	})
	switch {
	case err != nil || len(missing) == 0:
	case dry:
		for _, i := range missing {
			created = append(created, i.name)
		}
	default:
		created, err = s.waitForIndexes(ctx)
	}
	return from, to, created, err
}

type step struct {
	number, minCompatible, level int
	statements                   []string
}

// run migrates the schema in one transaction that excludes all other instances. It returns the
// versions before and after. If there is nothing to do it only reads, so that a program without the
// right to change the schema can start.
//
// If an attempt does not get its locks in time, run retries after the transactions that held the
// locks have ended. So a long transaction, such as that of pg_dump, delays others at most once.
func (m *migration) run(ctx context.Context) (from, to int, err error) {
	from, steps, err := m.pending(ctx)
	if err != nil || from >= len(steps) {
		return from, from, err
	}
	for {
		from, err = m.attempt(ctx, steps)
		if err == nil {
			return from, max(from, len(steps)), nil
		}
		if state := sqlState(err); state != lockTimeout && state != deadlock {
			return 0, 0, err
		}
		if waiting := m.waitForHolders(ctx); waiting != nil {
			return 0, 0, fmt.Errorf("%w (%w)", err, waiting)
		}
	}
}

func (m *migration) attempt(ctx context.Context, steps []step) (from int, err error) {
	if _, err := m.conn.ExecContext(ctx, m.d.Begin); err != nil {
		return 0, err
	}
	if from, err = m.apply(ctx, steps); err == nil {
		_, err = m.conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		m.rollBack(ctx)
		return 0, err
	}
	if from < len(steps) {
		m.log.Info("database migrated", "store", m.d.Name, "from", from, "to", len(steps))
	}
	return from, nil
}

// waitForHolders waits until the transactions that now hold locks on the tables have ended.
func (m *migration) waitForHolders(ctx context.Context) error {
	var first []string
	for wait := minRetry; ; wait = min(2*wait, maxRetry) {
		holders, err := m.holders(ctx)
		if err != nil {
			return err
		}
		if wait == minRetry {
			first = holders
			m.log.Warn("the migration waits: other transactions use the tables", "store", m.d.Name, "transactions", holders)
		} else if !slices.ContainsFunc(holders, func(h string) bool { return slices.Contains(first, h) }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (m *migration) holders(ctx context.Context) ([]string, error) {
	rows, err := m.conn.QueryContext(ctx, m.d.Holders)
	if err != nil {
		return nil, err
	}
	return readTexts(rows)
}

// pending returns the version of the schema and all steps of this program.
func (m *migration) pending(ctx context.Context) (at int, steps []step, err error) {
	if steps, err = readSteps(m.d.Migrations); err != nil {
		return 0, nil, err
	}
	at, err = m.d.version(ctx, m.conn, len(steps))
	return at, steps, err
}

// rollBack rolls back. If that fails it closes the connection, which rolls back too.
func (m *migration) rollBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := m.conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		_ = m.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}

// apply runs the missing steps. It returns the version that it found.
func (m *migration) apply(ctx context.Context, steps []step) (at int, err error) {
	for _, statement := range m.d.Lock {
		if _, err := m.conn.ExecContext(ctx, statement); err != nil {
			return 0, err
		}
	}
	// Read the version again: another instance may have migrated.
	if at, err = m.d.version(ctx, m.conn, len(steps)); err != nil || at >= len(steps) {
		return at, err
	}
	if at == 0 {
		if _, err := m.conn.ExecContext(ctx, m.d.bind(`CREATE TABLE latchkey_version (
			id integer PRIMARY KEY CHECK (id = 1), version integer NOT NULL, min_compatible integer NOT NULL)`)); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	for _, next := range steps[at:] {
		for _, statement := range next.statements {
			if err := m.limitLockWait(ctx, lockBudget-time.Since(began)); err != nil {
				return 0, err
			}
			if _, err := m.conn.ExecContext(ctx, statement); err != nil {
				return 0, fmt.Errorf("migration %d: %w", next.number, err)
			}
		}
	}
	if at == 0 {
		if err := m.createFirstIndexes(ctx); err != nil {
			return 0, err
		}
	}
	last := steps[len(steps)-1]
	// min_compatible never falls, because Tx.Raise may have raised it.
	_, err = m.conn.ExecContext(ctx, m.d.bind(`INSERT INTO latchkey_version (id, version, min_compatible) VALUES (1, ?, ?)
		ON CONFLICT (id) DO UPDATE SET version = excluded.version, min_compatible = CASE
			WHEN latchkey_version.min_compatible > excluded.min_compatible THEN latchkey_version.min_compatible
			ELSE excluded.min_compatible END`),
		int64(last.number), int64(last.minCompatible))
	return at, err
}

// limitLockWait sets how long the next statement waits for a lock. With an empty budget, it still
// gets a free lock.
func (m *migration) limitLockWait(ctx context.Context, left time.Duration) error {
	if m.d.LockWait == "" {
		return nil
	}
	_, err := m.conn.ExecContext(ctx, fmt.Sprintf(m.d.LockWait, max(left.Milliseconds(), 1)))
	return err
}

// version returns the number of the newest applied migration, or 0 for an empty database. The error
// matches store.ErrSchemaTooNew if a program with known migrations cannot use that schema.
func (d *Dialect) version(ctx context.Context, db RowQuerier, known int) (int, error) {
	var there int
	if err := db.QueryRowContext(ctx, d.Migrated).Scan(&there); err != nil || there == 0 {
		return 0, err
	}
	var version, minCompatible int
	if err := db.QueryRowContext(ctx, d.bind(`SELECT version, min_compatible FROM latchkey_version WHERE id = 1`)).
		Scan(&version, &minCompatible); err != nil {
		return 0, err
	}
	if version > known && minCompatible > known {
		return 0, fmt.Errorf("%s: %w: it has version %d, which needs a program that knows version %d; this one knows %d",
			d.Name, store.ErrSchemaTooNew, version, minCompatible, known)
	}
	return version, nil
}

// readSteps reads the embedded migrations. An error means that one is invalid.
func readSteps(files fs.FS) ([]step, error) {
	names, err := fs.Glob(files, "migrations/*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var steps []step
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		next := step{number: len(steps) + 1}
		number, _, _ := strings.Cut(path.Base(name), "_")
		if n, err := strconv.Atoi(number); err != nil || n != next.number {
			return nil, fmt.Errorf("migration %s should have the number %d", name, next.number)
		}
		rest, err := next.readHeaders(string(text))
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", name, err)
		}
		next.statements = statementsOf(rest)
		steps = append(steps, next)
	}
	return steps, nil
}

var header = regexp.MustCompile(`^-- ([a-z_]+): (.*)\n`)

// readHeaders reads the headers and returns the rest of the text.
func (s *step) readHeaders(text string) (rest string, err error) {
	for {
		found := header.FindStringSubmatch(text)
		if found == nil {
			break
		}
		text = text[len(found[0]):]
		into := map[string]*int{"min_compatible": &s.minCompatible, "level": &s.level}[found[1]]
		if into == nil {
			return "", fmt.Errorf("no header is named %s", found[1])
		}
		if *into, err = strconv.Atoi(found[2]); err != nil {
			return "", fmt.Errorf("header %s: %w", found[1], err)
		}
	}
	if s.minCompatible == 0 {
		return "", errors.New("it does not begin with its min_compatible")
	}
	return text, nil
}

// statementsOf returns the statements of a file.
func statementsOf(text string) (statements []string) {
	for statement := range strings.SplitSeq(text, ";\n") {
		if statement = strings.TrimSpace(statement); statement != "" {
			statements = append(statements, statement)
		}
	}
	return statements
}
