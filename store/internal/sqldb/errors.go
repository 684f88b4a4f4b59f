package sqldb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/latchkey-go/latchkey/store"
)

// errTimeout is why a transaction was given up when Options.Timeout had passed.
var errTimeout = errors.New("no answer in time")

// Result codes of SQLite (sqlite.org/rescode.html).
const (
	sqliteBusy             = 5
	sqliteNotADatabase     = 26
	sqliteConstraintKey    = 1555 // SQLITE_CONSTRAINT_PRIMARYKEY
	sqliteConstraintUnique = 2067
)

// fail gives an error of the driver its meaning. Whatever is not plainly about the values sent means that the question could not be
// decided: lost connections, deadlines, lock timeouts, missing rights, even a missing table. Nothing reads message texts.
func (s *Store) fail(doing string, err error) error {
	kind := store.ErrUnavailable
	state, code := sqlState(err), resultCode(err)
	switch {
	case state == "23505", code == sqliteConstraintKey, code == sqliteConstraintUnique:
		kind = store.ErrConflict
	case strings.HasPrefix(state, "22"): // data exception: a time out of range …
		kind = store.ErrInvalid
	case code&0xff == sqliteNotADatabase: // a file of something else
		kind = store.ErrWrongDialect
	}
	if state == readOnly {
		return fmt.Errorf("%s: %s: %w: %w: %w", s.d.Name, doing, store.ErrUnavailable, store.ErrReadOnly, s.hinted(err))
	}
	if state == missingRight { // of a statement: the hint is about connections
		return fmt.Errorf("%s: %s: %w: %w. Ready names the right that is missing, with the statement that gives it", s.d.Name, doing, kind, err)
	}
	return fmt.Errorf("%s: %s: %w: %w", s.named(), doing, kind, s.hinted(err))
}

// named is the kind of the database and, if it is one, its file.
func (s *Store) named() string {
	if s.d.Files == nil || s.d.Files.String() == "" {
		return s.d.Name
	}
	return s.d.Name + " (" + s.d.Files.String() + ")"
}

// hinted adds to an error of the server what it means to those who run the program, if that is
// known.
func (s *Store) hinted(err error) error {
	if hint := s.d.Refusals[sqlState(err)].Hint; hint != "" {
		return fmt.Errorf("%w. %s", err, hint)
	}
	return err
}

// notConnected is fail for a connection that was not made.
func (s *Store) notConnected(err error) error {
	if s.d.Refusals[sqlState(err)].Final {
		return fmt.Errorf("%s: connect: %w: %w", s.d.Name, store.ErrNoAccess, s.hinted(err))
	}
	return s.fail("connect", err)
}

// States of PostgreSQL.
const (
	missingRight  = "42501"
	missingSchema = "3F000"
	missingTable  = "42P01" // or a schema on the search path that the role may not use
	readOnly      = "25006"
	lockTimeout   = "55P03"
	deadlock      = "40P01"
)

// notSetUp is fail for a migration that failed. Where a right is missing it asks which.
func (s *Store) notSetUp(ctx context.Context, db Asker, err error) error {
	if err == nil || permanent(err) {
		return err
	}
	if state := sqlState(err); s.d.Rights == nil || state != missingRight && state != missingSchema {
		return s.fail("migrate", err)
	}
	lack, unknown := s.d.Rights(ctx, db)
	if unknown != nil {
		return s.fail("migrate", errors.Join(err, unknown))
	}
	return s.noAccess(cmp.Or(lack.Read, lack.Migrate), err)
}

// noAccess is an error of the server, nil if there was none, that a sentence of Lack explains.
func (s *Store) noAccess(lack string, err error) error {
	switch {
	case lack == "":
		return fmt.Errorf("%s: %w: %w", s.d.Name, store.ErrNoAccess, err)
	case err == nil:
		return fmt.Errorf("%s: %w: %s", s.d.Name, store.ErrNoAccess, lack)
	}
	return fmt.Errorf("%s: %w: %s (%w)", s.d.Name, store.ErrNoAccess, lack, err)
}

// failRead is fail for rows: that there is more to read than was asked for is no error of the
// driver.
func (s *Store) failRead(doing string, err error) error {
	if told := new(store.Error); errors.As(err, &told) {
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

// IsBusy reports whether err says that somebody else holds a lock of the SQLite database.
func IsBusy(err error) bool { return resultCode(err)&0xff == sqliteBusy }
