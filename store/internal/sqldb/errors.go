package sqldb

import (
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
	switch state, code := sqlState(err), resultCode(err); {
	case state == "23505", code == sqliteConstraintKey, code == sqliteConstraintUnique:
		kind = store.ErrConflict
	case strings.HasPrefix(state, "22"): // data exception: a time out of range …
		kind = store.ErrInvalid
	case code&0xff == sqliteNotADatabase: // a file of something else
		kind = store.ErrWrongDialect
	}
	return fmt.Errorf("%s: %s: %w: %w", s.named(), doing, kind, err)
}

// named is the kind of the database and, if it is one, its file.
func (s *Store) named() string {
	if s.d.Files == nil || s.d.Files.String() == "" {
		return s.d.Name
	}
	return s.d.Name + " (" + s.d.Files.String() + ")"
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
