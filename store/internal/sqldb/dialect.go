package sqldb

import (
	"context"
	"database/sql"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// Dialect describes a kind of database. Statements use ? for an argument and table names without a
// schema, all of which begin with latchkey_. bind gives them their final form.
type Dialect struct {
	Name       string // as in store.Info
	Migrations fs.FS  // see migrate.go
	Indexes    string // see index.go
	Unprepared bool   // the driver does not cache statements: sqldb prepares that of lookups
	Numbered   bool   // arguments are $1, $2 … instead of ?
	Schema     string // "" or a quoted schema name and a dot, put before each table

	// Probe is a query for the server's version. Matches reports whether the answer is that of this
	// kind of database.
	Probe   string
	Matches func(answer string) bool
	// Prepare, if set, checks or sets what the pool needs, on one of its connections. If the pool
	// is configured wrongly, its error matches store.ErrInvalid.
	Prepare func(context.Context, *sql.DB, *sql.Conn) error
	// Files, if set, are the local files of the database.
	Files Files

	// Rights, if set, returns the rights that the connection's role lacks. It must work for every
	// role and on every database that Probe has recognised, migrated or not.
	Rights func(context.Context, RowQuerier) (MissingRights, error)
	// ErrorHints explains errors of the server, by SQLSTATE.
	ErrorHints map[string]ErrorHint

	// Begin and Lock run at the start of a migration. After that, no other instance migrates until
	// the transaction ends.
	Begin string
	Lock  []string
	// Migrated returns 1 if the version table exists, otherwise 0.
	Migrated string
	// LockWait, if set, limits how long the next statements of a migration wait for a lock, %d
	// milliseconds. Holders then lists, as texts, the transactions that hold locks on the tables.
	LockWait, Holders string

	// IndexState returns the state of an index (see index.go); its arguments are the index and the
	// table. DropIndex drops a broken index, %s. Concurrently is the option of CREATE INDEX that
	// does not block changes.
	IndexState, DropIndex, Concurrently string
	// IndexLock, if set, takes a lock for the rest of a transaction and reports whether it was
	// free. Its holder creates indexes, one at a time. AllowIdle lets that transaction idle.
	IndexLock, AllowIdle string

	// Isolation is the isolation level of a change.
	Isolation sql.IsolationLevel
	// Writers is the number of changes that may be in progress in this process. All but one wait
	// for the feed's lock, and each holds a connection that lookups then cannot use.
	Writers int
	// TakeFeed adds one to the feed's head, which takes the lock that serialises changes. Its
	// argument is random bits. The tag of the new head is the exclusive or of these bits and the
	// old tag, {tag}, so the caller can compute both tags. It returns feed_id, head, keys, level
	// and the new tag.
	TakeFeed string
	// WritableCTE is true if a WITH clause may contain an INSERT, so that one statement can do two
	// writes.
	WritableCTE bool
	// Confirm writes without changing anything, in a database that may have standby servers. "" if
	// the database has none.
	Confirm string

	// Listen, if set, sends the statement, a LISTEN, through a connection of its own. It calls
	// notified once that is done and for each notification, until ctx ends or the connection is
	// lost. Notify wakes all listeners. If Files is set, Watch uses that instead.
	Listen func(ctx context.Context, statement string, notified func()) error
	Notify string

	// Time converts a time to an argument.
	Time func(time.Time) any
	// Now is the database's clock, and Later is that clock plus an argument in milliseconds. Both
	// have the form of a time column.
	Now, Later string
	// Contains is the condition that a column, %s, contains the argument. No character of the
	// argument is special.
	Contains string
	// InList is the condition that a column, %s, is in the argument, a JSON list of texts.
	InList string

	// Touch moves last_used_at forward. Its argument is a JSON list of [key id, Unix milliseconds].
	// It waits for row locks.
	Touch string
	// TouchUnlocked, if set, does the same for rows that are not locked, and returns the ids of the
	// others. It is for databases that lock single rows: a statement that waits while it holds
	// locks could cause a deadlock.
	TouchUnlocked string
}

// Files are the files of an embedded database. After Watch has returned, Check, Stamp and String
// may be called concurrently.
type Files interface {
	// Watch records which files are open. It is called once, after the database has been set up.
	Watch(context.Context, *sql.DB, *sql.Conn) error
	// Check returns an error that matches store.ErrReplaced if a file has been removed or replaced,
	// and store.ErrUnavailable if it cannot find out now.
	Check() error
	// Stamp returns a value that changes with every commit of any process. It returns 0 when the
	// value is not reliable.
	Stamp() uint64
	// Close releases what Watch has opened.
	Close() error
	// String returns the path, or "" before it is known.
	String() string
}

// RowQuerier is a pool or one of its connections.
type RowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// MissingRights describes, for each purpose, the rights that a role lacks. A field is "" if it
// lacks none. Otherwise it is a sentence with the role, the right, the object, and the statement
// that grants the right.
type MissingRights struct {
	Migrate string
	Read    string // look keys up, list them, follow the feed
	Write   string // change keys
	Prune   string // delete old events
	Raise   string // raise the level of the store
}

// ErrorHint explains an SQLSTATE.
type ErrorHint struct {
	Hint string
	// Final: if a connection is refused with this SQLSTATE, a retry does not help.
	Final bool
}

// bind gives a statement its final form.
func (d *Dialect) bind(statement string) string {
	if d.Schema != "" {
		statement = strings.ReplaceAll(statement, "latchkey_", d.Schema+"latchkey_")
	}
	if !d.Numbered {
		return statement
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(statement, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		statement = after
	}
}

// time converts a time to an argument, NULL for zero.
func (d *Dialect) time(t store.Time) any {
	if t.IsZero() {
		return nil
	}
	return d.Time(t.Time())
}

// statements are the statements with a fixed text, in their final form.
type statements struct {
	lookup, lookupLegacy                string
	get, count                          string
	takeFeed, confirm                   string
	insert, update, remove, exists      string
	feed, prune                         string
	touch, touchUnlocked                string
	join, leave, members, forgetMembers string
	level, lowerMember                  string
	acknowledge, head, notify           string
}

func (d *Dialect) statements() statements {
	stale := strings.ReplaceAll(d.Later, "?", "-coalesce(max_stale, 300000)")
	return statements{
		lookup:        d.bind(lookupSQL),
		lookupLegacy:  d.bind(lookupLegacySQL),
		get:           d.bind(`SELECT ` + columns("", false) + ` FROM latchkey_key WHERE id = ?`),
		count:         d.bind(`SELECT keys FROM latchkey_feed WHERE id = 1`),
		takeFeed:      d.bind(strings.ReplaceAll(d.TakeFeed, "{tag}", `coalesce(`+headTag+`, 0)`)),
		confirm:       d.bind(d.Confirm),
		insert:        d.bind(insertSQL()),
		update:        d.bind(updateSQL()),
		remove:        d.bind(`DELETE FROM latchkey_key WHERE id = ?`),
		exists:        d.bind(`SELECT count(*) FROM latchkey_key WHERE id = ?`),
		feed:          d.bind(feedSQL),
		prune:         d.bind(pruneSQL),
		touch:         d.bind(d.Touch),
		touchUnlocked: d.bind(d.TouchUnlocked),
		join:          d.bind(strings.ReplaceAll(joinSQL, "{later}", d.Later)),
		level:         d.bind(`SELECT level FROM latchkey_feed WHERE id = 1`),
		lowerMember:   d.bind(strings.ReplaceAll(lowerMemberSQL, "{stale}", stale)),
		leave:         d.bind(`DELETE FROM latchkey_member WHERE id = ?`),
		members:       d.bind(strings.NewReplacer("{now}", d.Now, "{stale}", stale).Replace(membersSQL)),
		forgetMembers: d.bind(`DELETE FROM latchkey_member WHERE expires_at <= ` + stale),
		acknowledge:   d.bind(acknowledgeSQL),
		notify:        d.bind(d.Notify),
		head:          d.bind(`SELECT head FROM latchkey_feed WHERE id = 1`),
	}
}
