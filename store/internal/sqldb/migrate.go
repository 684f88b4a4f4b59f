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
//	-- min_compatible: N   the schema that it makes still serves programs whose newest migration is N
//	-- level: N            optional
//
// So expand first, and contract (raise min_compatible) a release later. Migrations run in one
// transaction, and each change of a table locks out everybody else until it ends: they must take no
// time, however large the table is. A new column is nullable and has no default; an index of a
// table that is not new belongs into Indexes (index.go).
//
// The table latchkey_version has one row: the number of the newest migration applied, and its min_compatible.
type migration struct {
	d    *Dialect
	conn *sql.Conn
	log  *slog.Logger
}

// lockBudget is how long one attempt waits for locks, all of its statements together. Everybody
// else queues behind an attempt that waits for the lock of a table.
const lockBudget = 200 * time.Millisecond

// Migrate brings the schema up to date and makes the indexes that are missing, or, with dry, only
// looks. It returns the versions before and after, and the names of these indexes. It is for those
// who migrate with a role of its own; Open does the same. Unlike Open it waits for as long as ctx
// lets it.
func Migrate(ctx context.Context, db *sql.DB, d Dialect, o Options, dry bool) (from, to int, made []string, err error) {
	s, _, err := newStore(db, d, o)
	if err != nil {
		return 0, 0, nil, err
	}
	defer s.stop()
	var missing []index
	err = s.reached(ctx, func(conn *sql.Conn) error {
		m := migration{d: &s.d, conn: conn, log: s.log}
		if dry {
			var steps []step
			from, steps, err = m.pending(ctx)
			to = max(from, len(steps))
		} else {
			from, to, err = m.run(ctx)
		}
		if err == nil && from > 0 { // otherwise they come with the tables
			missing, err = s.missing(ctx, conn)
		}
		return s.notSetUp(ctx, conn, err)
	})
	switch {
	case err != nil || len(missing) == 0:
	case dry:
		for _, i := range missing {
			made = append(made, i.name)
		}
	default:
		made, err = s.waitForIndexes(ctx)
	}
	return from, to, made, err
}

type step struct {
	number, minCompatible, level int
	statements                   []string
}

// run brings the schema up to date, in one transaction that excludes all other instances, and
// returns the versions before and after. When there is nothing to do it only reads, so that a
// program without the right to change the schema can start.
//
// An attempt that does not get its locks in time is given up and made again when those who held
// them have ended. So each long transaction, such as that of pg_dump, delays others at most once.
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
		if waiting := m.outlast(ctx); waiting != nil {
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
		m.abandon(ctx)
		return 0, err
	}
	if from < len(steps) {
		m.log.Info("database migrated", "store", m.d.Name, "from", from, "to", len(steps))
	}
	return from, nil
}

// outlast waits until the transactions that hold locks of the tables now have ended.
func (m *migration) outlast(ctx context.Context) error {
	var first []string
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		holders, err := m.holders(ctx)
		if err != nil {
			return err
		}
		if wait == firstRetry {
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

func (m *migration) holders(ctx context.Context) (holders []string, err error) {
	rows, err := m.conn.QueryContext(ctx, m.d.Holders)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var h string
		if err := rows.Scan(&h); err != nil {
			return nil, err
		}
		holders = append(holders, h)
	}
	return holders, rows.Err()
}

// pending returns the version of the schema and all steps that the program knows.
func (m *migration) pending(ctx context.Context) (at int, steps []step, err error) {
	if steps, err = readSteps(m.d.Migrations); err != nil {
		return 0, nil, err
	}
	at, err = m.d.version(ctx, m.conn, len(steps))
	return at, steps, err
}

// abandon rolls back, or else throws the connection away, which does the same.
func (m *migration) abandon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := m.conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		_ = m.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}

// apply returns the version that it found.
func (m *migration) apply(ctx context.Context, steps []step) (at int, err error) {
	for _, statement := range m.d.Lock {
		if _, err := m.conn.ExecContext(ctx, statement); err != nil {
			return 0, err
		}
	}
	if at, err = m.d.version(ctx, m.conn, len(steps)); err != nil || at >= len(steps) { // again: somebody may have been faster
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
			if err := m.boundWait(ctx, lockBudget-time.Since(began)); err != nil {
				return 0, err
			}
			if _, err := m.conn.ExecContext(ctx, statement); err != nil {
				return 0, fmt.Errorf("migration %d: %w", next.number, err)
			}
		}
	}
	if at == 0 {
		if err := m.firstIndexes(ctx); err != nil {
			return 0, err
		}
	}
	last := steps[len(steps)-1]
	_, err = m.conn.ExecContext(ctx, m.d.bind(`INSERT INTO latchkey_version (id, version, min_compatible) VALUES (1, ?, ?)
		ON CONFLICT (id) DO UPDATE SET version = excluded.version, min_compatible = CASE WHEN
			latchkey_version.min_compatible > excluded.min_compatible THEN latchkey_version.min_compatible ELSE excluded.min_compatible END`), // Tx.Raise may have raised it
		int64(last.number), int64(last.minCompatible))
	return at, err
}

// boundWait sets how long the next statement waits for a lock. With nothing left of the budget it
// still gets one that is free.
func (m *migration) boundWait(ctx context.Context, left time.Duration) error {
	if m.d.LockWait == "" {
		return nil
	}
	_, err := m.conn.ExecContext(ctx, fmt.Sprintf(m.d.LockWait, max(left.Milliseconds(), 1)))
	return err
}

// version returns the number of the newest migration applied, 0 for an empty database, or an error that matches
// store.ErrSchemaTooNew when that schema no longer serves a program whose newest migration is known.
func (d *Dialect) version(ctx context.Context, db Asker, known int) (int, error) {
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

// readSteps reads the embedded migrations. An error is a mistake of whoever wrote one.
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

// readHeaders returns what follows the headers.
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
