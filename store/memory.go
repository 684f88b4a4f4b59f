package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/latchkey-go/latchkey/internal/meter"
)

// memory is a Store in the memory of one process.
type memory struct {
	change sync.Mutex // held for the whole of a change

	mu       sync.RWMutex // guards the fields below
	feedID   string
	head     int64
	keys     map[string]*Record // shared, never modified in place
	byLookup map[LookupID]string
	used     map[string]Time
	events   []Event       // the last one's ID is head; the front may have been pruned
	tags     map[int64]Tag // of those events
	members  map[string]membership
	level    int // 0 means 1
	closed   bool
}

type membership struct {
	Member
	lapses time.Time
}

// NewMemory returns an empty Store in the memory of this process, for tests and examples. A restart
// loses its keys.
func NewMemory() Store {
	return &memory{
		feedID:   rand.Text(),
		keys:     make(map[string]*Record),
		byLookup: make(map[LookupID]string),
		used:     make(map[string]Time),
		tags:     make(map[int64]Tag),
		members:  make(map[string]membership),
	}
}

func (m *memory) Info() Info { return Info{Name: "memory", Joined: true} }

// usable returns an error when the store is closed or ctx is done. mu must be held.
func (m *memory) usable(ctx context.Context) error {
	if m.closed {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

func (m *memory) Lookup(ctx context.Context, id LookupID, redacted string) (Found, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return Found{}, err
	}
	found := Found{FeedID: m.feedID, Head: m.head, Tag: m.tags[m.head]}
	if keyID, ok := m.byLookup[id]; ok && !id.IsZero() {
		found.Record = m.keys[keyID].forLookup()
		return found, nil
	}
	if redacted != "" {
		for _, r := range m.keys {
			if r.Key.LookupID.IsZero() && r.Key.Redacted == redacted {
				found.Legacy = append(found.Legacy, r.forLookup())
			}
		}
	}
	return found, nil
}

// forLookup returns the record without the attributes that a lookup omits.
func (r *Record) forLookup() *Record {
	for i := range attributes {
		if a := &attributes[i]; a.uncached && !a.same(&r.Key, noKey) {
			r = r.Clone()
			r.Key = *r.Key.cached()
			return r
		}
	}
	return r
}

func (m *memory) Change(ctx context.Context, actor Actor, fn func(Tx) error) (Change, error) {
	m.change.Lock()
	defer m.change.Unlock()
	m.mu.RLock()
	err := m.usable(ctx)
	tx := &memoryTx{m: m, actor: actor, written: make(map[string]*Record), head: m.head}
	m.mu.RUnlock()
	if err != nil {
		return Change{}, err
	}
	if err := fn(tx); err != nil {
		return Change{}, err
	}
	if len(tx.events) == 0 {
		return Change{}, nil
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return Change{}, err
	}
	for id, r := range tx.written {
		if old := m.keys[id]; old != nil && m.byLookup[old.Key.LookupID] == id {
			delete(m.byLookup, old.Key.LookupID)
		}
		if r == nil {
			delete(m.keys, id)
			delete(m.used, id)
			continue
		}
		if _, known := m.keys[id]; !known && !r.Key.LastUsedAt.IsZero() {
			m.used[id] = r.Key.LastUsedAt
		}
		r.Key.LastUsedAt = Time{}
		m.keys[id] = r
	}
	for id, r := range tx.written { // after the deletions: a lookup id may have moved
		if r != nil && !r.Key.LookupID.IsZero() {
			m.byLookup[r.Key.LookupID] = id
		}
	}
	change := Change{FeedID: m.feedID, First: tx.events[0].ID, Last: tx.head, Before: m.tags[m.head]}
	m.head = tx.head
	m.level = max(m.level, tx.level)
	m.events = append(m.events, tx.events...)
	for _, e := range tx.events {
		m.tags[e.ID] = NewTag()
		change.Events = append(change.Events, m.feedEvent(e))
	}
	return change, nil
}

// feedEvent returns an event in the form of the feed. mu must be held.
func (m *memory) feedEvent(e Event) FeedEvent {
	return FeedEvent{ID: e.ID, Kind: e.Kind, LookupID: e.LookupID, Tag: m.tags[e.ID]}
}

// memoryTx collects the writes of a change. Readers see them only after the change.
type memoryTx struct {
	m       *memory
	actor   Actor
	written map[string]*Record // nil: deleted
	head    int64
	events  []Event
	level   int // raised to
}

// current returns the record as this change sees it. m.mu must be read-locked.
func (tx *memoryTx) current(id string) *Record {
	if r, ok := tx.written[id]; ok {
		return r
	}
	return tx.m.keys[id]
}

func (tx *memoryTx) Find(ctx context.Context, q Query) ([]*Record, error) {
	tx.m.mu.RLock()
	defer tx.m.mu.RUnlock()
	if err := tx.m.usable(ctx); err != nil {
		return nil, err
	}
	seen := make([]*Record, 0, len(tx.m.keys)+len(tx.written))
	for id, r := range tx.m.keys {
		if _, ok := tx.written[id]; !ok {
			seen = append(seen, tx.m.own(r))
		}
	}
	for _, r := range tx.written {
		if r != nil {
			seen = append(seen, tx.m.own(r))
		}
	}
	return selectRecords(seen, q)
}

func (tx *memoryTx) Events(ctx context.Context, q EventQuery) ([]Event, error) {
	before, err := tx.m.Events(ctx, q)
	if err != nil {
		return nil, err
	}
	return selectEvents(append(before, tx.events...), q)
}

func (tx *memoryTx) Insert(ctx context.Context, r *Record, e Event) error {
	if err := tx.InsertQuietly(ctx, r); err != nil {
		return err
	}
	return tx.Append(ctx, r, e)
}

func (tx *memoryTx) InsertQuietly(ctx context.Context, r *Record) error {
	tx.m.mu.RLock()
	defer tx.m.mu.RUnlock()
	if err := tx.m.usable(ctx); err != nil {
		return err
	}
	if tx.current(r.Key.ID) != nil {
		return fmt.Errorf("key id %s: %w", r.Key.ID, ErrConflict)
	}
	taken := func(other *Record) bool {
		return other != nil && !r.Key.LookupID.IsZero() && other.Key.LookupID == r.Key.LookupID
	}
	if other := tx.current(tx.m.byLookup[r.Key.LookupID]); taken(other) {
		return fmt.Errorf("lookup id %s: %w", r.Key.LookupID, ErrConflict)
	}
	for _, other := range tx.written {
		if taken(other) {
			return fmt.Errorf("lookup id %s: %w", r.Key.LookupID, ErrConflict)
		}
	}
	tx.written[r.Key.ID] = r.Clone()
	return nil
}

func (tx *memoryTx) Raise(ctx context.Context, level int) (*Member, error) {
	tx.m.mu.RLock()
	defer tx.m.mu.RUnlock()
	if err := tx.m.usable(ctx); err != nil || level <= max(tx.level, tx.m.level, 1) {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(tx.m.members)) {
		if m := tx.m.members[id]; m.Level < level && time.Now().Before(m.lapses.Add(m.MaxStale)) {
			return &m.Member, nil
		}
	}
	tx.level = level
	return nil, nil
}

func (tx *memoryTx) Update(ctx context.Context, r *Record, e Event) error {
	return tx.replace(ctx, r, r.Clone(), e)
}

func (tx *memoryTx) Delete(ctx context.Context, r *Record, e Event) error {
	return tx.replace(ctx, r, nil, e)
}

func (tx *memoryTx) replace(ctx context.Context, r, by *Record, e Event) error {
	tx.m.mu.RLock()
	old := tx.current(r.Key.ID)
	tx.m.mu.RUnlock()
	if old == nil {
		return fmt.Errorf("key id %s: %w", r.Key.ID, ErrNotFound)
	}
	tx.written[r.Key.ID] = by
	return tx.Append(ctx, r, e)
}

func (tx *memoryTx) Append(ctx context.Context, r *Record, e Event) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	tx.head++
	e = e.clone()
	e.ID, e.Actor, e.RequestID, e.At = tx.head, tx.actor.ID, tx.actor.RequestID, toMillis(e.At)
	if r != nil {
		e.KeyID, e.LookupID = r.Key.ID, r.Key.LookupID
	}
	tx.events = append(tx.events, e)
	return nil
}

// own returns a copy of a stored record that the caller may modify. mu must be held.
func (m *memory) own(r *Record) *Record {
	c := r.Clone()
	c.Key.LastUsedAt = m.used[r.Key.ID]
	return c
}

func (m *memory) Get(ctx context.Context, id string) (*Record, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	r := m.keys[id]
	if r == nil {
		return nil, fmt.Errorf("key id %q: %w", id, ErrNotFound)
	}
	return m.own(r), nil
}

func (m *memory) List(ctx context.Context, q Query) ([]*Record, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	all := make([]*Record, 0, len(m.keys))
	for _, r := range m.keys {
		all = append(all, m.own(r))
	}
	return selectRecords(all, q)
}

func (m *memory) Count(ctx context.Context, f Filter) (int, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return 0, err
	}
	n := 0
	for id, r := range m.keys {
		key := r.Key
		key.LastUsedAt = m.used[id]
		ok, err := f.matches(&key)
		if err != nil {
			return 0, err
		}
		if ok {
			n++
		}
	}
	return n, nil
}

func (m *memory) Touch(ctx context.Context, uses []Use) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	for _, u := range uses {
		if at := TimeOf(u.At); m.keys[u.KeyID] != nil && at.after(m.used[u.KeyID]) {
			m.used[u.KeyID] = at
		}
	}
	return nil
}

func (m *memory) Events(ctx context.Context, q EventQuery) ([]Event, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	return selectEvents(m.events, q)
}

func selectEvents(events []Event, q EventQuery) ([]Event, error) {
	var out []Event
	read := meter.Meter{Max: q.MaxBytes}
	for i := range events {
		e := &events[i]
		if e.ID <= q.After || (q.KeyID != "" && e.KeyID != q.KeyID) || (!q.LookupID.IsZero() && e.LookupID != q.LookupID) ||
			(q.Kind != "" && e.Kind != q.Kind) || !among(q.KeyIDs, e.KeyID) {
			continue
		}
		if !read.AddStruct(e) {
			return nil, Errorf(ErrInvalid, meter.TooLong, q.MaxBytes)
		}
		if out = append(out, e.clone()); q.Limit > 0 && len(out) == q.Limit {
			break
		}
	}
	return out, nil
}

func (m *memory) PruneEvents(ctx context.Context, before time.Time) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return 0, err
	}
	had := len(m.events)
	m.events = slices.DeleteFunc(m.events, func(e Event) bool {
		if !e.At.Before(before) || e.ID == m.head || e.Kind == Deleted {
			return false
		}
		delete(m.tags, e.ID)
		return true
	})
	return had - len(m.events), nil
}

func (m *memory) Feed(ctx context.Context, after int64, limit int) (Feed, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return Feed{}, err
	}
	feed := Feed{ID: m.feedID, Head: m.head, Tag: m.tags[m.head]}
	first, _ := slices.BinarySearchFunc(m.events, after+1, func(e Event, id int64) int { return int(e.ID - id) })
	for _, e := range m.events[first:] {
		if len(feed.Events) == limit {
			break
		}
		feed.Events = append(feed.Events, m.feedEvent(e))
	}
	return feed, nil
}

func (m *memory) Join(ctx context.Context, member Member) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	if member.Level = max(member.Level, 1); member.Level < m.level {
		return fmt.Errorf("memory: %w: it has keys of level %d, and member %s knows level %d", ErrSchemaTooNew, m.level, member.ID, member.Level)
	}
	member.Acked, member.Lapsed = 0, false
	m.members[member.ID] = membership{Member: member, lapses: time.Now().Add(member.TTL)}
	return nil
}

func (m *memory) Acknowledge(ctx context.Context, id string, head int64, tag Tag) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	member, joined := m.members[id]
	_, exists := slices.BinarySearchFunc(m.events, head, func(e Event, id int64) int { return int(e.ID - id) })
	if !joined || !exists || m.tags[head] != tag {
		return fmt.Errorf("memory: acknowledge event %d as member %q: %w", head, id, ErrNotFound)
	}
	member.Acked = head
	m.members[id] = member
	return nil
}

func (m *memory) Leave(ctx context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	delete(m.members, id)
	return nil
}

func (m *memory) Members(ctx context.Context) ([]Member, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	var out []Member
	for id, member := range m.members {
		ago := time.Since(member.lapses)
		if ago >= 0 && ago >= member.MaxStale {
			delete(m.members, id)
			continue
		}
		member.TTL, member.Lapsed = 0, ago >= 0
		out = append(out, member.Member)
	}
	slices.SortFunc(out, func(a, b Member) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

func (m *memory) Close(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
