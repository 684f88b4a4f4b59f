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

// Dialect is what a kind of database needs to be told in its own words. Statements are written with ? for an argument and with bare
// table names, all of which begin with latchkey_; bind gives them their final form.
type Dialect struct {
	Name       string // as in store.Info
	Migrations fs.FS  // see migrate.go
	Indexes    string // see index.go
	Unprepared bool   // the driver keeps no statements of its own: the one that matters is prepared
	Numbered   bool   // arguments are $1, $2 … instead of ?
	Schema     string // "" or a quoted schema name and a dot, put before each table

	// Probe asks the server what it is, and Speaks judges the answer.
	Probe  string
	Speaks func(answer string) bool
	// Prepare, if set, checks or sets what the pool must have, on one of its connections. An error that matches
	// store.ErrInvalid is for whoever configured the pool.
	Prepare func(context.Context, *sql.DB, *sql.Conn) error
	// Files, if set, are the files of the database, on this machine.
	Files Files

	// Rights, if set, asks what the role at the other end lacks. It must work on every database
	// that Probe has recognised, migrated or not, and for every role.
	Rights func(context.Context, Asker) (Lack, error)
	// Refusals says, by SQLSTATE, what an error of the server means to those who run the program.
	Refusals map[string]Refusal

	// Begin and Lock are run at the start of a migration; afterwards nobody else migrates until it is committed.
	Begin string
	Lock  []string
	// Migrated asks whether the version table exists: 0 or 1.
	Migrated string
	// LockWait, if set, bounds how long the next statements of the migration wait for a lock: %d
	// milliseconds. Holders then lists the transactions that hold locks of the tables, as texts.
	LockWait, Holders string

	// IndexState asks how an index of a table is, two arguments (see index.go), DropIndex drops a
	// broken one, %s, and Concurrently is what CREATE INDEX takes so as not to lock changes out.
	IndexState, DropIndex, Concurrently string
	// Alone, if set, takes a lock until the end of a transaction, in which indexes are made one at
	// a time, and reports whether that was free. Idle lets the transaction idle.
	Alone, Idle string

	// Isolation is that of a change.
	Isolation sql.IsolationLevel
	// Writers is how many changes of this process may be under way at once. All but one of them wait for the feed's lock, each with
	// a connection that lookups then cannot have.
	Writers int
	// TakeFeed adds one to the feed's head, and with it takes the lock that serialises changes. Its
	// argument is random bits, and the new head's tag is the exclusive or of these and the old
	// one's, {tag}: so this one statement brings both. It returns feed_id, head, keys, level and
	// the new tag.
	TakeFeed string
	// WritableCTE: a WITH clause may hold an INSERT, so that two writes travel as one.
	WritableCTE bool
	// Confirm writes something and changes nothing, in a database that other servers may have
	// copies of; "" where none has.
	Confirm string

	// Listen, if set, sends the statement, a LISTEN, through a connection of its own, and calls
	// notified when that is done and for each notification, until ctx ends or the connection is
	// lost; Notify wakes those who listen. Where there are Files, Watch looks at these instead.
	Listen func(ctx context.Context, statement string, notified func()) error
	Notify string

	// Time gives a time its form as an argument.
	Time func(time.Time) any
	// Now is the database's clock and Later that clock moved by an argument of milliseconds, in the form of a time column.
	Now, Later string
	// Contains is a condition over a column, %s, and an argument: the one has the other in it, no character being special.
	Contains string
	// Among is a condition over a column, %s, and an argument, a JSON list of texts that has the column in it.
	Among string

	// Touch moves last_used_at forward by an argument, a JSON list of [key id, Unix milliseconds], waiting for row locks.
	Touch string
	// TouchFree, if set, does the same for the rows that nobody has locked and returns the ids of the others. It is for databases
	// that lock rows one by one, where waiting with several locks in hand could be a deadlock.
	TouchFree string
}

// Files are the files of a database that is embedded in this program. After Watch has returned,
// others call Check, Stamp and String at the same time.
type Files interface {
	// Watch notes which files are open. It is called once the database has been set up.
	Watch(context.Context, *sql.DB, *sql.Conn) error
	// Check returns an error that matches store.ErrReplaced when one of them is not in its place
	// any more, and store.ErrUnavailable when that cannot be found out now.
	Check() error
	// Stamp returns what every commit changes, of this process or another. It is 0 while that
	// cannot be relied on.
	Stamp() uint64
	// Close ends what Watch has begun.
	Close() error
	// String returns the path, or "" while it is not known.
	String() string
}

// Asker is a pool or one of its connections.
type Asker interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Lack is what a role lacks, for each of what it may be there for. A field is "" where it lacks
// nothing, and otherwise a sentence that names the role, the right and the object, with the
// statement that grants it.
type Lack struct {
	Migrate string
	Read    string // look keys up, list them, follow the feed
	Write   string // change keys
	Prune   string // the audit log
	Raise   string // raise the level of the store
}

// Refusal is the meaning of an SQLSTATE.
type Refusal struct {
	Hint string
	// Final: when a connection is refused for this reason, no waiting will help.
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

// time gives a time its form as an argument, NULL for one that is not set.
func (d *Dialect) time(t store.Time) any {
	if t.IsZero() {
		return nil
	}
	return d.Time(t.Time())
}

// statements are those whose text does not depend on their arguments, in their final form.
type statements struct {
	lookup, lookupLegacy                string
	get, count                          string
	takeFeed, confirm                   string
	insert, update, remove, exists      string
	feed, prune                         string
	touch, touchFree                    string
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
		touchFree:     d.bind(d.TouchFree),
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
