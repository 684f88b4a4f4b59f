package store

import (
	"errors"
	"fmt"
)

// The errors of this package. They are always wrapped; compare with [errors.Is].
var (
	// ErrNotFound: no key has that id.
	ErrNotFound = errors.New("not found")
	// ErrInvalid: the input breaks a rule; the message says which.
	ErrInvalid = errors.New("invalid")
	// ErrNotAllowed: the input is well-formed, but the state of the key forbids it
	// (deleting a key that is not revoked).
	ErrNotAllowed = errors.New("not allowed")
	// ErrForbidden: the principal of the context may not do this, because it would grant more than
	// it has.
	ErrForbidden = errors.New("forbidden")
	// ErrConflict: the id or the token already exists.
	ErrConflict = errors.New("conflict")
	// ErrUnavailable: the operation could not be completed, or its outcome is not known. The error
	// says nothing about the key. HTTP 503, never 401.
	ErrUnavailable = errors.New("unavailable")
	// ErrSchemaTooNew: a newer, incompatible version migrated the database, or the database has
	// keys that this program would misread (Level). Retrying does not help.
	ErrSchemaTooNew = errors.New("database schema is newer than this program understands")
	// ErrWrongDialect: the pool passed to Open belongs to another kind of database. Retrying does
	// not help.
	ErrWrongDialect = errors.New("wrong database dialect")
	// ErrNewerRecord: a newer program sealed the key with an attribute that this program does not
	// know. It comes together with ErrUnavailable: only a newer program can check or change the
	// key.
	ErrNewerRecord = errors.New("the key was sealed by a newer program")
	// ErrReplaced: the database file, or a file that belongs to it, was removed, renamed or
	// replaced during use. It comes together with ErrUnavailable. Only a restart helps.
	ErrReplaced = errors.New("the database file has been replaced")
	// ErrNoAccess: the database refuses this program: wrong password, missing database, or missing
	// privilege. For a privilege, the message names the statement that grants it. Retrying does not
	// help.
	ErrNoAccess = errors.New("no access")
	// ErrReadOnly: keys can be looked up but not changed, because the role lacks a privilege or the
	// database is read-only. It comes together with ErrUnavailable.
	ErrReadOnly = errors.New("read-only")
	// ErrClosed: the store, cache or Keys has been closed.
	ErrClosed = fmt.Errorf("closed: %w", ErrUnavailable)

	// ErrUnauthenticated is matched by all refusals of a credential: malformed, unknown, revoked,
	// expired and forged tokens. Do not reveal to clients which of them it was.
	ErrUnauthenticated = errors.New("unauthenticated")
	// ErrMalformed: the token's form or checksum is wrong. No I/O is needed.
	ErrMalformed = refusal("malformed token")
	// ErrUnknownToken: no key has this token.
	ErrUnknownToken = refusal("unknown token")
	// ErrRevoked: the key has been revoked, or its scheduled revocation time has come.
	ErrRevoked = refusal("revoked")
	// ErrExpired: the key has expired.
	ErrExpired = refusal("expired")
	// ErrForged: the record's proof matches no configured pepper. The row was written or altered
	// without a pepper, or the pepper was removed from the configuration too early.
	ErrForged = refusal("proof does not verify")
	// ErrWrongType: a secret key was used in place of a publishable one, or the reverse. The prefix
	// of the token shows it, without I/O. It does not match ErrUnauthenticated: HTTP 403.
	ErrWrongType = errors.New("wrong key type")
)

// refusalError is a sentinel that also matches ErrUnauthenticated.
type refusalError struct{ text string }

func refusal(text string) error { return &refusalError{text} }

func (e *refusalError) Error() string { return e.text }

// Is reports a match with ErrUnauthenticated.
func (e *refusalError) Is(target error) bool { return target == ErrUnauthenticated }

// Error is an error whose message may be shown to the caller. Where Medusa has a message for the
// case, it is used, so that HTTP layers can return it unchanged.
type Error struct {
	Kind    error  // one of the sentinels above; errors.Is finds it
	Message string // complete and safe to show; contains no secret token
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Kind }

// Errorf returns an *Error of the given kind. Messages may repeat input and may be logged, so
// secret tokens in them are redacted.
func Errorf(kind error, format string, args ...any) error {
	return &Error{Kind: kind, Message: redactSecrets(fmt.Sprintf(format, args...))}
}

// redactSecrets returns s, redacted if it contains a secret token.
func redactSecrets(s string) string {
	if HoldsSecret(s) {
		return RedactTokens(s)
	}
	return s
}
