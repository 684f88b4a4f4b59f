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
	// ErrForbidden: the principal in the context may not do that (it would hand out more than it has).
	ErrForbidden = errors.New("forbidden")
	// ErrConflict: the id or the token is taken.
	ErrConflict = errors.New("conflict")
	// ErrUnavailable: the question cannot be decided now; nothing is known about the key. HTTP 503, never 401.
	ErrUnavailable = errors.New("unavailable")
	// ErrSchemaTooNew: the database was migrated by a newer, incompatible version, or holds keys
	// that this program would misread (Level). It does not heal.
	ErrSchemaTooNew = errors.New("database schema is newer than this program understands")
	// ErrWrongDialect: the pool handed to Open speaks to another kind of database. It does not heal.
	ErrWrongDialect = errors.New("wrong database dialect")
	// ErrNewerRecord: the key has an attribute that this program does not know, because a newer
	// program has sealed it. It comes together with ErrUnavailable: whether the key may be used is
	// for the newer program to say, and so are all changes of it.
	ErrNewerRecord = errors.New("the key was sealed by a newer program")
	// ErrReplaced: the file of the database, or one that belongs to it, was removed, renamed or
	// replaced while it was in use. It comes together with ErrUnavailable and heals with a restart
	// only.
	ErrReplaced = errors.New("the database file has been replaced")
	// ErrNoAccess: the database refuses this program: a wrong password, a database that does not
	// exist, a right that the role lacks. The message names it, with the statement that gives it.
	// Waiting does not heal it.
	ErrNoAccess = errors.New("no access")
	// ErrReadOnly: keys can be looked up and not changed, because the role lacks a right or the
	// database takes no changes. It comes together with ErrUnavailable.
	ErrReadOnly = errors.New("read-only")
	// ErrClosed: the store, cache or Keys has been closed.
	ErrClosed = fmt.Errorf("closed: %w", ErrUnavailable)

	// ErrUnauthenticated is what all refusals of a credential have in common: malformed, unknown, revoked,
	// expired and forged tokens all match it, and clients must not be told which it was.
	ErrUnauthenticated = errors.New("unauthenticated")
	// ErrMalformed: the token's shape or checksum is wrong. It was refused without any I/O.
	ErrMalformed = refusal("malformed token")
	// ErrUnknownToken: no key has this token.
	ErrUnknownToken = refusal("unknown token")
	// ErrRevoked: the key has been revoked, or its scheduled revocation time has come.
	ErrRevoked = refusal("revoked")
	// ErrExpired: the key's lifetime is over.
	ErrExpired = refusal("expired")
	// ErrForged: the record's proof does not fit any configured pepper: somebody wrote or altered the row
	// without knowing one, or the pepper has been removed too early.
	ErrForged = refusal("proof does not verify")
	// ErrWrongType: a secret key where a publishable one is wanted, or the reverse. Known from the token's
	// prefix, without any I/O. It is not an ErrUnauthenticated: HTTP 403.
	ErrWrongType = errors.New("wrong key type")
)

// refusalError is a sentinel that also matches ErrUnauthenticated.
type refusalError struct{ text string }

func refusal(text string) error { return &refusalError{text} }

func (e *refusalError) Error() string { return e.text }

// Is makes every refusal match ErrUnauthenticated.
func (e *refusalError) Is(target error) bool { return target == ErrUnauthenticated }

// Error is an error whose message is meant for the person who caused it. Where Medusa has words for the case, the message is
// Medusa's, so that HTTP layers can pass it on as it is.
type Error struct {
	Kind    error  // one of the sentinels above; errors.Is finds it
	Message string // complete and safe to show: never holds a token
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Kind }

// Errorf returns an *Error of the given kind. Messages repeat what a caller has sent, and programs
// log them: a secret token in one is redacted.
func Errorf(kind error, format string, args ...any) error {
	return &Error{Kind: kind, Message: redactSecrets(fmt.Sprintf(format, args...))}
}

// redactSecrets returns s as it is unless it holds a secret token, and then without it.
func redactSecrets(s string) string {
	if HoldsSecret(s) {
		return RedactTokens(s)
	}
	return s
}
