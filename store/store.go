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

// Store stores keys. This comment is the specification. storetest.Run tests it, and package cache,
// which is itself a Store in front of a Store, relies on all of it.
//
// General. All methods must be safe for concurrent use and must return within the deadline of their
// context. A method that cannot reach its database must return an error that matches
// ErrUnavailable, never one that says something about a key. The caller owns the records that are
// returned, except those of Lookup, which are shared and must not be modified. nil and empty lists
// are different and must be stored as such. Times are stored in milliseconds, in UTC.
//
// Linearizable. Every read, in every process, that begins after Change returned must see what
// Change wrote. All statements go to the primary database.
//
// The feed. A store has one feed: events numbered 1, 2, 3 … without a gap, in the order of their
// commits, and a head, the number of the newest event. Where a method returns both the head and key
// rows, they must be read in one statement, so that a record reflects exactly the events up to its
// Head. The feed has a random id, created with the store: two stores never have the same id.
// Numbers stay below 2^53. A database that loses its last commits, as in a fail-over of PostgreSQL,
// gives their numbers to other events. So each event also has a random tag: two feeds that agree on
// the number and the tag of an event agree on every event before it.
type Store interface {
	// Info describes the store. It does no I/O and always returns the same value.
	Info() Info

	// Lookup finds the key with that lookup id, in one statement. If there is none, it returns a
	// Found without Record, not an error. If in addition redacted is not "", Found.Legacy must hold
	// every key that has no lookup id and has that redacted form. FeedID and Head are always set;
	// uncached attributes (attributes.go) never are. A cache omits the evidence that it has
	// verified (Sealer.VerifyInto).
	Lookup(ctx context.Context, id LookupID, redacted string) (Found, error)

	// Change runs fn in one transaction that holds the feed's lock from its first statement to its
	// commit, so that changes are serialised over all processes. If fn returns an error, everything
	// is rolled back and that error is returned. If fn appends no event, everything is rolled back
	// too, and Change returns an empty Change. A cache still waits for propagation then, because fn
	// may have seen another change that is not visible everywhere yet. If the outcome of the commit
	// is not known, the error must match ErrUnavailable. fn runs at most once. actor is written
	// into each event.
	Change(ctx context.Context, actor Actor, fn func(Tx) error) (Change, error)

	// Get returns the key with that id, or an error that matches ErrNotFound.
	Get(ctx context.Context, id string) (*Record, error)
	// List returns the keys that the query selects. An unknown operator or column is an error that
	// matches ErrInvalid. So are more bytes than q.MaxBytes. A store must detect that while it
	// reads: it must not hold more than q.MaxBytes and one key in memory. The same holds for Events
	// and EventQuery.MaxBytes.
	List(ctx context.Context, q Query) ([]*Record, error)
	// Count returns how many keys the filter matches. For the zero Filter its cost must not depend
	// on the number of keys.
	Count(ctx context.Context, f Filter) (int, error)

	// Touch moves LastUsedAt of each key to the given time, but never back. It is not a change: it
	// writes no event and no new version, and must not lock out changes for longer than one short
	// statement. Unknown ids are ignored.
	Touch(ctx context.Context, uses []Use) error

	// Events returns audit events, oldest first.
	Events(ctx context.Context, q EventQuery) ([]Event, error)
	// PruneEvents removes events older than before and returns how many. It must not remove the
	// newest event, which holds the head of the feed, or events of kind Deleted, which prevent an
	// import from creating deleted keys again.
	PruneEvents(ctx context.Context, before time.Time) (int, error)
	// Feed returns, in one statement, the feed's id, its head with its tag, and the oldest events
	// after the given number, at most limit. Pruned events are missing: a cache that finds a gap
	// must invalidate everything.
	Feed(ctx context.Context, after int64, limit int) (Feed, error)

	// Join writes or renews a membership row. The row lapses m.TTL from now, by the clock of the
	// database. If the level of the store (Tx.Raise) is above the member's, it writes nothing and
	// the error matches ErrSchemaTooNew. A store in a database then returns ErrSchemaTooNew and
	// ErrUnavailable from all methods permanently. Join acknowledges no event.
	Join(ctx context.Context, m Member) error
	// Acknowledge records in a membership row that the member has handled every event up to the one
	// with that number and tag. If there is no such row or no such event, it must write nothing and
	// return an error that matches ErrNotFound: the database has then lost what the member has
	// handled.
	Acknowledge(ctx context.Context, member string, head int64, tag Tag) error
	// Leave removes a membership row. A missing row is not an error.
	Leave(ctx context.Context, id string) error
	// Members returns the members whose rows have not lapsed and, marked Lapsed, those whose rows
	// lapsed no longer than their MaxStale ago. It removes older rows. An Acked beyond the head of
	// the feed belongs to a lost history and must be returned as 0.
	Members(ctx context.Context) ([]Member, error)

	// Close stops background work and waits for it until ctx is done. It does not close the
	// connections that were passed in. All methods of a closed store return ErrClosed.
	Close(ctx context.Context) error
}

// recaller is a Store that holds records in memory, as cache.Cache does. Keys call Recall first,
// and Lookup only if Recall returns nil. So a store that embeds a recaller and changes Lookup must
// also define Recall.
type recaller interface {
	Store
	// Recall is the part of Lookup that needs no I/O and cannot fail. It returns the record that
	// Lookup would return, if it is in memory and may be used, else nil. It also returns the time
	// of the call, by this machine's clock: the caller needs it too, and reading the clock is half
	// of the cost.
	Recall(id LookupID) (r *Record, at time.Time)
}

// Watcher is a Store that is notified when other processes change keys, so that it need not poll.
// It only saves time: correctness must not depend on it.
type Watcher interface {
	Store
	// Watch calls changed when the head of the feed may have moved, with the number of the head, or
	// 0 if it is not known. It returns an error when ctx ends or it cannot continue. Calls do not
	// overlap, and there is no call after the return. changed does not block. An error that matches
	// errors.ErrUnsupported means that a retry is useless.
	Watch(ctx context.Context, changed func(head int64)) error
	// Announce notifies watchers in other processes after a commit, where the database does not do
	// so itself.
	Announce(ctx context.Context) error
}

// Tx is a running change. It is valid until the function that received it returns. Insert, Update,
// Delete and Append each append one event to the feed. They use Kind, At, Version and Details of
// the given event and fill in the rest.
type Tx interface {
	// Find reads keys in this transaction. The records may be modified.
	Find(ctx context.Context, q Query) ([]*Record, error)
	// Events reads events as this transaction sees them.
	Events(ctx context.Context, q EventQuery) ([]Event, error)
	// Insert adds a key. If its id, lookup id or publishable token already exists, the error
	// matches ErrConflict.
	Insert(ctx context.Context, r *Record, e Event) error
	// Update replaces the key with the same id, except LastUsedAt. If there is none, the error
	// matches ErrNotFound.
	Update(ctx context.Context, r *Record, e Event) error
	// Delete removes the key with the record's id. If there is none, the error matches ErrNotFound.
	Delete(ctx context.Context, r *Record, e Event) error
	// Append adds an event that changes no key: for a change that found nothing to do (protocol
	// 4.1), or for a batch of changes with one event. With a nil record the event names no key.
	Append(ctx context.Context, r *Record, e Event) error
	// InsertQuietly, for imports, adds a key without an event. The batch must Append one event.
	InsertQuietly(ctx context.Context, r *Record) error
	// Raise raises the level of the store to at least this one, together with the change. Programs
	// of a lower level can then neither open nor join the store. While there is a member of a lower
	// level, including one that lapsed within its MaxStale, Raise changes nothing and returns that
	// member. If the store already has the level, Raise does nothing, without a statement. After an
	// error that matches ErrNoAccess (a missing database privilege) the change can go on.
	Raise(ctx context.Context, level int) (lower *Member, err error)
}

// Info describes a Store.
type Info struct {
	Name string // "memory", "sqlite", "postgres", "cache over sqlite" …
	// SharedCache: records pass through memory that others can write to (Redis).
	SharedCache bool
	// Joined: Keys need not join for this process (Store.Join), because the store does so itself or
	// is in the memory of this process only.
	Joined bool
	// Sealer verifies the records that the store loads. nil: the store does not verify them.
	Sealer *Sealer
}

// Record is a key with its evidence. It never contains a secret token. It must not be copied after
// first use.
type Record struct {
	Key      Key
	Evidence *Evidence // may be nil. Copies share it: replace it (SetEvidence), do not modify it

	verifiedBy atomic.Pointer[Sealer] // set after verification, before the record is shared
	noted      atomic.Int64           // second of the last recorded use
}

// Clone returns a deep copy that may be modified. The copy counts as not verified.
func (r *Record) Clone() *Record {
	c := &Record{Key: *r.Key.Clone()}
	c.SetEvidence(r.Evidence.Value().clone())
	return c
}

// Found is the result of a lookup.
type Found struct {
	Record *Record   // nil: no key has that lookup id
	Legacy []*Record // see Store.Lookup; nil when Record is set
	FeedID string
	Head   int64 // the result reflects exactly the events up to this one
	Tag    Tag   // of that event
}

// Change describes what a committed change appended to the feed. The zero value means no event.
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

// FeedEvent is the part of an event that caches need.
type FeedEvent struct {
	ID       int64
	Kind     Kind
	LookupID LookupID // zero: a batch, or a key without one; a cache must invalidate everything
	Tag      Tag
}

// Tag distinguishes an event from another one with the same number. 0: not known, or a program
// without tags wrote the event. The tag of number 0, where there is no event, is also 0.
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

// Event is one entry of the audit log. It never contains a secret token.
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

// Kind is the kind of an event.
type Kind string

// The kinds of events.
const (
	Created  Kind = "created"
	Updated  Kind = "updated"
	Revoked  Kind = "revoked"
	Rolled   Kind = "rolled" // the new key of a roll; the old key gets a Revoked event
	Deleted  Kind = "deleted"
	Linked   Kind = "linked"   // sales channels were added or removed
	Imported Kind = "imported" // a batch: no key, a count in the details
	Upgraded Kind = "upgraded" // an imported Medusa key was given its lookup id
	Resealed Kind = "resealed" // the proof was recomputed under another pepper
)

// Reveals reports whether an event of this kind can make an unknown token known. A cache must then
// invalidate its unknown tokens (protocol 14).
func (k Kind) Reveals() bool {
	switch k {
	case Updated, Revoked, Deleted, Linked, Resealed:
		return false
	default:
		return true
	}
}

// EventQuery selects events. The zero value selects all events.
type EventQuery struct {
	KeyID    string
	KeyIDs   []string // nil: any
	LookupID LookupID
	Kind     Kind
	After    int64 // only events with a greater number
	Limit    int   // 0: all
	MaxBytes int   // see Query.MaxBytes
}

// Use is one entry for Store.Touch.
type Use struct {
	KeyID string
	At    time.Time
}

// Member is a process that uses the store (protocol 14).
type Member struct {
	ID    string
	Level int           // the Level of its program; Join treats 0 as 1
	Redis bool          // it also answers from Redis
	Lease time.Duration // how long it may answer from memory without reading the feed; 0: it has no cache
	TTL   time.Duration // used by Join: how long the row lives
	// MaxStale is how long it may answer from Redis without reading the feed. Rows of programs of
	// level 1 count as 5 minutes.
	MaxStale time.Duration
	Acked    int64 // set by Members: the newest event that it has acknowledged in its row, or 0
	Lapsed   bool  // set by Members: its row has lapsed, but it may still answer from Redis
}

// Actor is who makes a change, for the audit log.
type Actor struct {
	ID        string // a key's id, or the app's name of an actor; "": the program itself
	RequestID string
}
