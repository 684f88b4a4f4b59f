package store

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"maps"
	"sync/atomic"
	"time"
)

// Store keeps keys. This comment is the specification; storetest.Run is its proof, and package cache, which is itself
// a Store in front of a Store, relies on every sentence of it.
//
// General. All methods may be called from many goroutines at once. Every method must return within the deadline of its context.
// A method that cannot reach its database must return an error that matches ErrUnavailable, never one that says something about a
// key. Records that are returned belong to whoever asked, except those of Lookup, which are shared and must not be modified.
// nil and empty lists are told apart and survive. Times are kept to the millisecond, in UTC.
//
// Linearizable. What Change wrote must be seen by every read, in every process, that begins after Change returned. All statements
// go to the primary database.
//
// The feed. A store has one feed: events numbered 1, 2, 3 … without a gap, in the order in which
// the changes were committed, and a head, the number of the newest. Head and the key rows are read
// in one statement wherever both are returned, so that a record reflects exactly the events up to
// its Head. The feed has a random id, made when the store is: two stores never have the same.
// Numbers stay below 2^53. A database that loses its last commits, as in a fail-over of
// PostgreSQL, gives their numbers to other events, so each event has a random tag as well: two
// feeds that agree in the number and the tag of an event agree in every event before it.
type Store interface {
	// Info describes the store; it does no I/O and its answer never changes.
	Info() Info

	// Lookup finds the key with that lookup id, in one statement. When there is none, the answer is
	// not an error but a Found without Record. When redacted is not "" and no key has the lookup
	// id, Found.Legacy must hold every key that has no lookup id and that redacted form. FeedID and
	// Head are always set; what is uncached (attributes.go) never is. A cache leaves out the evidence
	// that it has checked (Sealer.VerifyInto).
	Lookup(ctx context.Context, id LookupID, redacted string) (Found, error)

	// Change runs fn in one transaction that holds the feed's lock from its first statement to its commit, so that changes are
	// serialised over all processes. When fn returns an error, everything is rolled back and that error is returned (so it is when
	// fn appended no event: a change without an event is none, and the returned Change is empty; a cache makes it wait all the same,
	// since what it found done may be a change that not everybody has heard of). When the outcome of the commit is
	// not known, the error must match ErrUnavailable. fn is run at most once. actor is written into each event.
	Change(ctx context.Context, actor Actor, fn func(Tx) error) (Change, error)

	// Get returns the key with that id, or an error that matches ErrNotFound.
	Get(ctx context.Context, id string) (*Record, error)
	// List returns the keys that the query selects. An unknown operator or column is an error that
	// matches ErrInvalid. So are more bytes than q.MaxBytes, and a store must find that out while
	// it reads: it must not hold more than those and one key. All this holds for Events and
	// EventQuery.MaxBytes as well.
	List(ctx context.Context, q Query) ([]*Record, error)
	// Count returns how many keys the filter matches. For the zero Filter its cost must not grow with the number of keys.
	Count(ctx context.Context, f Filter) (int, error)

	// Touch moves LastUsedAt of each key to the given time, forward only. It is not a change: no event, no new version, no lock
	// that a change waits for longer than one short statement. Unknown ids are ignored.
	Touch(ctx context.Context, uses []Use) error

	// Events returns audit events, oldest first.
	Events(ctx context.Context, q EventQuery) ([]Event, error)
	// PruneEvents removes events older than before and returns how many. The newest event always stays, so that the feed
	// keeps its head, and so do those of kind Deleted, which are what keeps a deleted key from coming back with an import.
	PruneEvents(ctx context.Context, before time.Time) (int, error)
	// Feed returns, in one statement, the feed's id, its head with its tag, and the oldest events
	// after the given number, at most limit of them. Events that have been pruned are missing:
	// a cache that finds a gap must drop everything.
	Feed(ctx context.Context, after int64, limit int) (Feed, error)

	// Join writes or renews a membership row, which lapses m.TTL after now by the clock of the
	// database. When the level of the store (Tx.Raise) is above the member's, it writes nothing and
	// the error matches ErrSchemaTooNew; a store in a database then answers ErrSchemaTooNew and
	// ErrUnavailable for good. A row that has been written has acknowledged nothing.
	Join(ctx context.Context, m Member) error
	// Acknowledge notes in a membership row that the member has handled every event up to the one
	// with that number and tag. Must write nothing, and return an error that matches ErrNotFound,
	// when there is no such row or no such event: then the database has lost what the member has
	// handled.
	Acknowledge(ctx context.Context, member string, head int64, tag Tag) error
	// Leave removes a membership row; no such row is no error.
	Leave(ctx context.Context, id string) error
	// Members returns the members whose rows have not lapsed, and, marked Lapsed, those whose rows
	// lapsed no longer than their MaxStale ago. It removes older ones. An Acked beyond the head of
	// the feed is of a history that is over, and must be returned as 0.
	Members(ctx context.Context) ([]Member, error)

	// Close ends background work and waits for it until ctx is done. The connections that were handed in stay open: they
	// are their owner's. A closed store answers ErrClosed.
	Close(ctx context.Context) error
}

// recaller is a Store that keeps records in memory, as cache.Cache does. Keys call Recall first, and
// Lookup only when that has nothing: a store that embeds a recaller to answer lookups in its own way
// must have a Recall of its own too.
type recaller interface {
	Store
	// Recall is the part of Lookup that takes no I/O and cannot fail. It returns the record that Lookup would, if the process has it in
	// memory and may use it, else nil. It also returns when it was called, by the clock of this machine: whoever calls it has to know, and
	// reading that clock is half of the work.
	Recall(id LookupID) (r *Record, at time.Time)
}

// Watcher is a Store that knows sooner than by being asked when other processes change keys. It
// only saves time: nothing may depend on it.
type Watcher interface {
	Store
	// Watch calls changed when the head of the feed may have moved, with its number, or with 0 when
	// that is not known, until ctx ends or it cannot go on, and returns why. Calls come one after
	// the other, and none after the return; changed does not block. An error that matches
	// errors.ErrUnsupported says that trying again is of no use.
	Watch(ctx context.Context, changed func(head int64)) error
	// Announce wakes those who watch in other processes, after a commit, where they need that.
	Announce(ctx context.Context) error
}

// Tx is a change under way. It is valid until the function that it was handed to returns. Each of Insert, Update, Delete and Append
// appends one event to the feed; of the event given they use Kind, At, Version and Details, and fill in the rest.
type Tx interface {
	// Find reads keys as this transaction sees them. The records may be modified.
	Find(ctx context.Context, q Query) ([]*Record, error)
	// Events reads events as this transaction sees them.
	Events(ctx context.Context, q EventQuery) ([]Event, error)
	// Insert adds a key. An id, lookup id or publishable token that is taken is an error that matches ErrConflict.
	Insert(ctx context.Context, r *Record, e Event) error
	// Update replaces the key with the same id, all of it except LastUsedAt. No such key: ErrNotFound.
	Update(ctx context.Context, r *Record, e Event) error
	// Delete removes the key with the record's id. No such key: ErrNotFound.
	Delete(ctx context.Context, r *Record, e Event) error
	// Append adds an event that changes no key: a change that found what it wanted (protocol 4.1),
	// or a batch of changes that are announced as one. With a nil record the event names no key.
	Append(ctx context.Context, r *Record, e Event) error
	// InsertQuietly, for imports, adds a key without an event of its own; the batch must Append one.
	InsertQuietly(ctx context.Context, r *Record) error
	// Raise makes the level of the store at least this one, with the change: programs of a lower
	// level can then neither open the store nor join it. While a member has a lower level, one
	// included that has lapsed within its MaxStale, it changes nothing and returns that member. At
	// a level that the store has it does nothing, without a statement. An error that matches
	// ErrNoAccess, for a right that the database does not give, leaves the change usable.
	Raise(ctx context.Context, level int) (lower *Member, err error)
}

// Info describes a Store.
type Info struct {
	Name string // "memory", "sqlite", "postgres", "cache over sqlite" …
	// SharedCache says that records pass through memory that others can write to (Redis).
	SharedCache bool
	// Joined says that nobody else needs to join for this process (Store.Join): the store does so
	// itself, or it is in the memory of the process alone.
	Joined bool
	// Sealer is what the store itself checks records with when it loads them; nil when it does not.
	Sealer *Sealer
}

// Record is a key together with what proves it. The secret itself is never in it. It must not be copied once in use.
type Record struct {
	Key      Key
	Evidence *Evidence // nil: none. Shared by copies: replace it (SetEvidence), do not change it

	verifiedBy atomic.Pointer[Sealer] // set once the proof has been checked, before the record is shared
	noted      atomic.Int64           // second of the last use that was noted, to note it once
}

// Clone returns a deep copy that may be modified and that counts as not yet verified.
func (r *Record) Clone() *Record {
	c := &Record{Key: *r.Key.Clone()}
	c.SetEvidence(r.Evidence.Value().clone())
	return c
}

// Found is the answer of a lookup.
type Found struct {
	Record *Record   // nil: no key has that lookup id
	Legacy []*Record // see Store.Lookup; nil when Record is set
	FeedID string
	Head   int64 // the answer reflects exactly the events up to this one
	Tag    Tag   // of that event
}

// Change tells what a committed change appended to the feed. The zero value: nothing.
type Change struct {
	FeedID      string
	First, Last int64
	Before      Tag         // of the event before First
	Events      []FeedEvent // in order, First to Last
}

// Feed is a part of the change feed.
type Feed struct {
	ID     string
	Head   int64
	Tag    Tag // of the event Head
	Events []FeedEvent
}

// FeedEvent is what caches need to know of an event.
type FeedEvent struct {
	ID       int64
	Kind     Kind
	LookupID LookupID // zero: a batch, or a key without one; whoever caches by lookup id must drop everything
	Tag      Tag
}

// Tag distinguishes an event from others that have had its number. 0: not known, or the event was
// written by a program that knew no tags. Where there is no event, with the number 0, it is 0 too.
type Tag int64

// NewTag returns the tag of a new event: 8 random bytes, never 0.
func NewTag() Tag {
	for {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		if t := Tag(binary.LittleEndian.Uint64(b[:])); t != 0 {
			return t
		}
	}
}

// String returns the tag as 16 hexadecimal digits.
func (t Tag) String() string { return fmt.Sprintf("%016x", uint64(t)) }

// Event is one line of the audit log. It never holds a token.
type Event struct {
	ID        int64
	KeyID     string
	LookupID  LookupID
	Kind      Kind
	Version   int64 // of the key, after the change
	Actor     string
	RequestID string
	At        time.Time
	Details   map[string]string
}

// clone returns a deep copy.
func (e Event) clone() Event {
	e.Details = maps.Clone(e.Details)
	return e
}

// Kind says what happened to a key.
type Kind string

// The kinds of events.
const (
	Created  Kind = "created"
	Updated  Kind = "updated"
	Revoked  Kind = "revoked"
	Rolled   Kind = "rolled" // the new key that a roll made; the old one gets a Revoked event
	Deleted  Kind = "deleted"
	Linked   Kind = "linked"   // sales channels were added or removed
	Imported Kind = "imported" // a batch: no key, a count in the details
	Upgraded Kind = "upgraded" // an imported Medusa key was given its lookup id
	Resealed Kind = "resealed" // the proof was recomputed under another pepper
)

// Reveals reports whether an event of this kind can make a token known that was unknown before. Caches must forget the
// unknown tokens they remember when they hear of one (protocol 14).
func (k Kind) Reveals() bool {
	switch k {
	case Updated, Revoked, Deleted, Linked, Resealed:
		return false
	default:
		return true
	}
}

// EventQuery selects events. The zero value selects all of them.
type EventQuery struct {
	KeyID    string
	KeyIDs   []string // nil: does not care
	LookupID LookupID
	Kind     Kind
	After    int64 // only events with a greater number
	Limit    int   // 0: all
	MaxBytes int   // as in Query, for the events
}

// Use is one entry for Store.Touch.
type Use struct {
	KeyID string
	At    time.Time
}

// Member is a process that serves from the store (protocol 14).
type Member struct {
	ID    string
	Level int           // what its program knows (Level); Join takes 0 for 1
	Redis bool          // it answers from Redis as well
	Lease time.Duration // how long it may answer without having read the feed; 0: it never does, as it has no cache
	TTL   time.Duration // used by Join: how long the row lives
	// MaxStale is how long it may answer from Redis without having read the feed. What a program of
	// level 1 has written counts as 5 minutes.
	MaxStale time.Duration
	Acked    int64 // set by Members: the newest event that it has acknowledged in its row; 0: none
	Lapsed   bool  // set by Members: its row has lapsed, but it may still answer from Redis
}

// Actor is who makes a change, as the audit log names it.
type Actor struct {
	ID        string // a key's id, or what the app calls its staff; "" when nobody asked (a program's own change)
	RequestID string
}
