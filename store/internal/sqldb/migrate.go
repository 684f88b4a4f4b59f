package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// Migrations are the files migrations/NNNN_name.sql of a dialect, numbered from 1 without a gap. A statement ends with a semicolon at the end
// of a line. The first line of each is "-- min_compatible: N": the schema that it makes still serves programs whose newest migration
// is N. So expand first, and contract (raise N) a release later.
//
// The table latchkey_version has one row: the number of the newest migration applied, and its min_compatible.
type migration struct {
	d    *Dialect
	conn *sql.Conn
	log  *slog.Logger
}

// Migrate brings the schema up to date, or, with dry, only looks, and returns the versions before
// and after. It is for those who migrate with a role of its own; Open does the same. Unlike Open it
// waits for as long as ctx lets it.
func Migrate(ctx context.Context, db *sql.DB, d Dialect, o Options, dry bool) (from, to int, err error) {
	s, _, err := newStore(db, d, o)
	if err != nil {
		return 0, 0, err
	}
	defer s.stop()
	err = s.reached(ctx, func(conn *sql.Conn) error {
		m := migration{d: &s.d, conn: conn, log: s.log}
		if dry {
			var steps []step
			from, steps, err = m.pending(ctx)
			to = max(from, len(steps))
		} else {
			from, to, err = m.run(ctx)
		}
		return s.notSetUp(ctx, conn, err)
	})
	return from, to, err
}

type step struct {
	number, minCompatible int
	statements            []string
}

// run brings the schema up to date, in one transaction that excludes all other instances, and
// returns the versions before and after. When there is nothing to do it only reads, so that a
// program without the right to change the schema can start.
func (m *migration) run(ctx context.Context) (from, to int, err error) {
	from, steps, err := m.pending(ctx)
	if err != nil || from >= len(steps) {
		return from, from, err
	}
	if _, err := m.conn.ExecContext(ctx, m.d.Begin); err != nil {
		return 0, 0, err
	}
	if from, err = m.apply(ctx, steps); err != nil {
		m.abandon(ctx)
		return 0, 0, err
	}
	if _, err := m.conn.ExecContext(ctx, "COMMIT"); err != nil {
		m.abandon(ctx)
		return 0, 0, err
	}
	return from, max(from, len(steps)), nil
}

// pending returns the version of the schema and all steps that the program knows.
func (m *migration) pending(ctx context.Context) (at int, steps []step, err error) {
	if steps, err = readSteps(m.d.Migrations); err != nil {
		return 0, nil, err
	}
	at, err = m.version(ctx, len(steps))
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
	if at, err = m.version(ctx, len(steps)); err != nil || at >= len(steps) { // again: somebody may have been faster
		return at, err
	}
	if at == 0 {
		if _, err := m.conn.ExecContext(ctx, m.d.bind(`CREATE TABLE latchkey_version (
			id integer PRIMARY KEY CHECK (id = 1), version integer NOT NULL, min_compatible integer NOT NULL)`)); err != nil {
			return 0, err
		}
	}
	for _, next := range steps[at:] {
		for _, statement := range next.statements {
			if _, err := m.conn.ExecContext(ctx, statement); err != nil {
				return 0, fmt.Errorf("migration %d: %w", next.number, err)
			}
		}
	}
	last := steps[len(steps)-1]
	if _, err := m.conn.ExecContext(ctx, m.d.bind(`INSERT INTO latchkey_version (id, version, min_compatible) VALUES (1, ?, ?)
		ON CONFLICT (id) DO UPDATE SET version = excluded.version, min_compatible = CASE WHEN
			latchkey_version.min_compatible > excluded.min_compatible THEN latchkey_version.min_compatible ELSE excluded.min_compatible END`), // Tx.Raise may have raised it
		int64(last.number), int64(last.minCompatible)); err != nil {
		return 0, err
	}
	m.log.Info("database migrated", "store", m.d.Name, "from", at, "to", last.number)
	return at, nil
}

// version returns the number of the newest migration applied, 0 for an empty database, or an error that matches
// store.ErrSchemaTooNew when that schema no longer serves a program whose newest migration is known.
func (m *migration) version(ctx context.Context, known int) (int, error) {
	var there int
	if err := m.conn.QueryRowContext(ctx, m.d.Migrated).Scan(&there); err != nil || there == 0 {
		return 0, err
	}
	var version, minCompatible int
	if err := m.conn.QueryRowContext(ctx, m.d.bind(`SELECT version, min_compatible FROM latchkey_version WHERE id = 1`)).
		Scan(&version, &minCompatible); err != nil {
		return 0, err
	}
	if version > known && minCompatible > known {
		return 0, fmt.Errorf("%s: %w: it has version %d, which needs a program that knows version %d; this one knows %d",
			m.d.Name, store.ErrSchemaTooNew, version, minCompatible, known)
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
	for i, name := range names {
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		number, _, _ := strings.Cut(path.Base(name), "_")
		first, rest, _ := strings.Cut(string(b), "\n")
		next := step{number: i + 1}
		if n, err := strconv.Atoi(number); err != nil || n != next.number {
			return nil, fmt.Errorf("migration %s should have the number %d", name, next.number)
		}
		if _, err := fmt.Sscanf(first, "-- min_compatible: %d", &next.minCompatible); err != nil {
			return nil, fmt.Errorf("migration %s does not begin with its min_compatible: %w", name, err)
		}
		for statement := range strings.SplitSeq(rest, ";\n") {
			if statement = strings.TrimSpace(statement); statement != "" {
				next.statements = append(next.statements, statement)
			}
		}
		steps = append(steps, next)
	}
	return steps, nil
}
