package sqldb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/latchkey-go/latchkey/store"
)

// errTimeout is the cause of a transaction's end when Options.Timeout has passed.
var errTimeout = errors.New("no answer in time")

// Result codes of SQLite (sqlite.org/rescode.html).
const (
	sqliteBusy             = 5
	sqliteNotADatabase     = 26
	sqliteConstraintKey    = 1555 // SQLITE_CONSTRAINT_PRIMARYKEY
	sqliteConstraintUnique = 2067
)

// fail adds the meaning to a driver's error. An error that is not plainly about the values sent is
// store.ErrUnavailable: lost connections, deadlines, lock timeouts, missing rights, even a missing
// table. The decision never depends on message texts.
func (s *Store) fail(doing string, err error) error {
	kind := store.ErrUnavailable
	state, code := sqlState(err), resultCode(err)
	switch {
	case state == "23505", code == sqliteConstraintKey, code == sqliteConstraintUnique:
		kind = store.ErrConflict
	case strings.HasPrefix(state, "22"): // a data exception, for example a time out of range
		kind = store.ErrInvalid
	case code&0xff == sqliteNotADatabase: // not a database file
		kind = store.ErrWrongDialect
	}
	if state == readOnly {
		return fmt.Errorf("%s: %s: %w: %w: %w", s.d.Name, doing, store.ErrUnavailable, store.ErrReadOnly, s.withHint(err))
	}
	if state == missingRight { // in a statement; the hint is about connections
		return fmt.Errorf("%s: %s: %w: %w. Ready names the right that is missing and the statement that grants it",
			s.d.Name, doing, kind, err)
	}
	return fmt.Errorf("%s: %s: %w: %w", s.displayName(), doing, kind, s.withHint(err))
}

// displayName is the kind of the database and, if it is a file, its path.
func (s *Store) displayName() string {
	if s.d.Files == nil || s.d.Files.String() == "" {
		return s.d.Name
	}
	return s.d.Name + " (" + s.d.Files.String() + ")"
}

// withHint adds the explanation of Dialect.ErrorHints to a server's error.
func (s *Store) withHint(err error) error {
	if hint := s.d.ErrorHints[sqlState(err)].Hint; hint != "" {
		return fmt.Errorf("%w. %s", err, hint)
	}
	return err
}

// connectError is fail for a failed connection.
func (s *Store) connectError(err error) error {
	if s.d.ErrorHints[sqlState(err)].Final {
		return fmt.Errorf("%s: connect: %w: %w", s.d.Name, store.ErrNoAccess, s.withHint(err))
	}
	return s.fail("connect", err)
}

// SQLSTATEs of PostgreSQL.
const (
	missingRight  = "42501"
	missingSchema = "3F000"
	missingTable  = "42P01" // or the role may not use its schema
	readOnly      = "25006"
	lockTimeout   = "55P03"
	deadlock      = "40P01"
)

// migrateError is fail for a failed migration. It finds out which right is missing.
func (s *Store) migrateError(ctx context.Context, db RowQuerier, err error) error {
	if err == nil || permanent(err) {
		return err
	}
	if state := sqlState(err); s.d.Rights == nil || state != missingRight && state != missingSchema {
		return s.fail("migrate", err)
	}
	missing, rightsErr := s.d.Rights(ctx, db)
	if rightsErr != nil {
		return s.fail("migrate", errors.Join(err, rightsErr))
	}
	return s.noAccess(cmp.Or(missing.Read, missing.Migrate), err)
}

// noAccess returns an error that matches store.ErrNoAccess. missing is a sentence of MissingRights,
// and err the server's error; one of them may be empty.
func (s *Store) noAccess(missing string, err error) error {
	switch {
	case missing == "":
		return fmt.Errorf("%s: %w: %w", s.d.Name, store.ErrNoAccess, err)
	case err == nil:
		return fmt.Errorf("%s: %w: %s", s.d.Name, store.ErrNoAccess, missing)
	}
	return fmt.Errorf("%s: %w: %s (%w)", s.d.Name, store.ErrNoAccess, missing, err)
}

// failRead is fail for reading rows. It returns a *store.Error unchanged.
func (s *Store) failRead(doing string, err error) error {
	if storeErr := new(store.Error); errors.As(err, &storeErr) {
		return err
	}
	return s.fail(doing, err)
}

// sqlState returns the SQLSTATE of an error of a PostgreSQL driver, or "".
func sqlState(err error) string {
	var e interface{ SQLState() string }
	if errors.As(err, &e) {
		return e.SQLState()
	}
	return ""
}

// resultCode returns the extended result code of an error of an SQLite driver, or 0.
func resultCode(err error) int {
	var e interface{ Code() int }
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// IsBusy reports whether err means that another connection has locked the SQLite database.
func IsBusy(err error) bool { return resultCode(err)&0xff == sqliteBusy }
