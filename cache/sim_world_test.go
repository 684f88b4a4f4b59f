package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// maxHosts bounds the hosts of a run.
const maxHosts = 5

// world is one run of the simulation: some instances of the real Cache over a database, a Redis and
// a network that are not real, in a bubble whose time is not real either. Everything that happens
// follows from the seed.
type world struct {
	seed  uint64
	start time.Time
	setup setup

	occasions occasions

	mu    sync.Mutex // guards the weather, Redis, the bus and the members; never held while something waits
	store *simStore
	redis *simRedis
	bus   *bus
	// sealer is what every process has; nil: no peppers.
	sealer *store.Sealer
	hosts  []*host
	truth  *truth
	trace  trace

	crashNext map[*host]bool // at its next commit
	// A scenario is called for statements: when one is sent, and when it has had its effect.
	sent, done func(p *process, what string)
	over       bool // no new load
	requests   int
	restored   atomic.Bool    // the store has been, ever
	calm       atomic.Bool    // time does not pass between steps any more
	loads      sync.WaitGroup // what begins rounds of reads and changes
	running    sync.WaitGroup // everything else
}

// setup is the configuration of a run.
type setup struct {
	name     string
	hosts    int
	keys     int           // and one more lookup id that never is a key
	lasts    time.Duration // before everything is mended
	maxStale time.Duration
	bound    time.Duration // see truth
	l1TTL    time.Duration
	noRedis  bool
	apart    int   // how many hosts, the last ones, have no Redis while the others do
	anyway   bool  // they change keys all the same
	wakes    wakes // what wakes hosts without Redis when something changes
	peppers  bool
	slowest  time.Duration // lease of the last host; 0: as the others
	without  int           // the host with DisableRedisRecords; -1: none
	redacted string        // the redacted form in all reads; only one, or it would matter which of them begins a load that others join
	reads    time.Duration // between two rounds of reads of a host, on average
	changes  time.Duration // between two changes of a host, on average
}

// wakes is how a store wakes its watchers.
type wakes int

const (
	nobody   wakes = iota
	byFile         // they see by themselves that the head has moved
	byNotice       // the changer wakes them
)

// redisAt reports whether a host has Redis.
func (s *setup) redisAt(host int) bool { return !s.noRedis && host < s.hosts-s.apart }

// outcome is what a run has found.
type outcome struct {
	seed    uint64
	setup   string
	wrong   []string
	trace   uint64
	lines   []string
	elapsed time.Duration // in the bubble

	reads, unavailable, changes, slow, failed uint64
}

// simulate runs body in a world of its own. It returns when everything in it has ended.
func simulate(t *testing.T, seed uint64, keep bool, plan func(*world) setup, body func(*world)) outcome {
	var out outcome
	synctest.Test(t, func(*testing.T) {
		w := &world{seed: seed, start: time.Now(), crashNext: map[*host]bool{}}
		w.trace.keep = keep
		w.setup = plan(w)
		w.build()
		body(w)
		w.end()
		tr := w.truth
		sum, lines := w.trace.result()
		out = outcome{
			seed: seed, setup: w.setup.name, wrong: tr.wrong, trace: sum, lines: lines, elapsed: w.now(),
			reads: tr.reads, unavailable: tr.unavailable, changes: tr.changes, slow: tr.slow, failed: tr.failed,
		}
	})
	return out
}

// now is the time in the bubble since the run began.
func (w *world) now() time.Duration { return time.Since(w.start) }

// hook returns what a scenario wants to be called with, or nil.
func (w *world) hook(which *func(*process, string)) func(*process, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *which
}

func (w *world) build() {
	s := w.setup
	w.store = &simStore{w: w, rows: store.NewMemory(), members: map[string]simMember{}}
	w.redis = newSimRedis(w)
	w.bus = &bus{w: w}
	if s.peppers {
		var err error
		if w.sealer, err = store.NewSealer([]string{"the pepper of a simulated system, 0123456789"}); err != nil {
			panic(err)
		}
	}
	w.truth = newTruth(s.keys + 1)
	w.truth.bound = s.bound
	// A lookup that was answered before a loss may arrive a second later, and is found out by the
	// first poll after that.
	w.truth.lasts = time.Second + max(time.Second, s.slowest, s.bound)*105/100
	for i := range s.hosts {
		c := w.chance("host", i, 0)
		w.hosts = append(w.hosts, &host{
			w: w, index: i, since: -1, rounds: make(chan func()),
			boot:     c.between(0, 1000*time.Hour),
			wall:     500_000*time.Hour + c.between(-5*time.Second, 5*time.Second),
			suspends: c.percent(50),
			rate:     int64(c.below(40_000)) - 20_000, // 2 % at most, either way: together less than WAIT/LEASE
		})
	}
}

// open starts a process on the host.
func (h *host) open() *process {
	w := h.w
	h.starts++
	p := &process{host: h, name: h.starts*10 + h.index, level: h.level}
	o := Options{
		Lease: time.Second, MaxStale: w.setup.maxStale, L1TTL: w.setup.l1TTL, MaxKeys: 100, MaxUnknown: 100,
		DisableRedisRecords: w.setup.without == h.index, Logger: slog.New(logHandler{p}), Sealer: w.sealer,
		ChangeWithoutRedis: w.setup.anyway,
	}
	if w.setup.slowest > 0 && h.index == len(w.hosts)-1 {
		o.Lease = w.setup.slowest
	}
	if err := o.complete(); err != nil {
		panic(err)
	}
	var memory l2Store
	if w.setup.redisAt(h.index) {
		memory = redisLink{p}
	}
	c := newCache(o, storeLink{w.store.current(), p}, memory, processClock{p})
	c.id = fmt.Sprintf("process-%02d-%02d", h.index, h.starts)
	// A kick and a tick that wait for the end of a poll would be taken in any order, and the run
	// would not be the same again. So a kick counts only while none is under way.
	c.pollKicks = make(chan struct{})
	p.cache = c
	ctx, stop := context.WithCancel(context.Background())
	p.stopReaders = stop
	if c.l2 != nil {
		// Whether lookups that come at one moment share a command is up to the scheduler, and the
		// run would not be the same again. With enough leaders none has to.
		for range 48 {
			go c.l2.batcher.worker(ctx)
		}
	}
	c.start()
	h.current.Store(p)
	w.trace.note(w.now(), h.index, "starts", int64(p.name), 0)
	return p
}

// kill ends the process as SIGKILL does: from now on it neither sends nor receives. What remains of
// it in the bubble is cleared away.
func (p *process) kill() {
	if p.dead.Swap(true) {
		return
	}
	w := p.host.w
	p.host.current.CompareAndSwap(p, nil)
	p.thaw()
	p.stopReaders()
	w.trace.note(w.now(), p.host.index, "is killed", int64(p.name), 0)
	if !p.leaving.Load() { // else it is being cleared away
		w.running.Go(func() { _ = p.cache.Close(context.Background()) })
	}
}

// close ends the process properly.
func (p *process) close() {
	w := p.host.w
	p.leaving.Store(true)
	if err := p.cache.Close(context.Background()); err != nil && !p.dead.Load() {
		w.truth.accuse("%v: close: %v", w.now(), err)
	}
	p.stopReaders()
	p.host.current.CompareAndSwap(p, nil)
	if p.dead.Load() {
		return
	}
	p.dead.Store(true)
	w.trace.note(w.now(), p.host.index, "has closed", int64(p.name), 0)
}

// crashesAtCommit reports whether this is the moment for a process to die: its change is committed
// and not announced.
func (w *world) crashesAtCommit(p *process) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.crashNext[p.host] {
		return false
	}
	delete(w.crashNext, p.host)
	return true
}

func (w *world) storeSky(h *host, what string) condition {
	w.mu.Lock()
	defer w.mu.Unlock()
	return merge(what, &w.store.weather, &h.toStore)
}

func (w *world) redisSky(h *host, what string) condition {
	w.mu.Lock()
	defer w.mu.Unlock()
	return merge(what, &w.redis.weather, &h.toRedis)
}

// end stops everything.
func (w *world) end() {
	w.running.Wait()
	for _, h := range w.hosts {
		if p := h.current.Load(); p != nil {
			p.thaw()
			p.close()
		}
	}
	w.running.Wait()
	time.Sleep(5 * time.Second) // commands that are late come to their end
}

// record is what the store holds for a key.
func (w *world) record(key int, version int64) *store.Record {
	r := &store.Record{Key: store.Key{
		ID: fmt.Sprintf("apk_%d", key), Type: store.Secret, Title: "simulated", Version: version, LookupID: w.truth.keys[key].id,
		CreatedAt: store.TimeOf(time.UnixMilli(1_700_000_000_000)), Revoked: version%3 == 0,
	}}
	w.sealer.Seal(r)
	return r
}

// restore takes the store back to where it was after an event, as from a backup.
func (w *world) restore(to int64) {
	w.restored.Store(true)
	w.truth.restore(to)
	if err := w.store.restore(to); err != nil {
		w.truth.accuse("%v: restore: %v", w.now(), err)
	}
}

// lose makes the store lose its changes since a moment.
func (w *world) lose(since time.Duration) {
	w.restored.Store(true)
	to, err := w.store.lose(since)
	if err != nil {
		w.truth.accuse("%v: lose: %v", w.now(), err)
	}
	w.truth.loses(to, w.now())
}

// outside makes a change as a program does that dies with its commit.
func (w *world) outside(v verb, keys ...int) {
	in := &intent{writes: map[int]int64{}, touches: keys}
	request := fmt.Sprintf("%d outside %d", w.now(), w.head())
	w.truth.intend(request, in)
	if _, err := w.store.commit(store.Actor{RequestID: request}, func(tx store.Tx) error { return w.write(tx, v, keys, in) }); err != nil {
		w.truth.accuse("%v: a change from outside: %v", w.now(), err)
	}
}

// logHandler reads the log of a process. A process that takes the store for restored when it is not
// would drop everything for nothing.
type logHandler struct{ p *process }

func (logHandler) Enabled(context.Context, slog.Level) bool { return true }

func (l logHandler) Handle(_ context.Context, r slog.Record) error {
	w := l.p.host.w
	if (strings.Contains(r.Message, "the feed went back") || strings.Contains(r.Message, "has been replaced")) && !w.restored.Load() {
		w.truth.accuse("%v: host %d takes the store for restored, which it is not", w.now(), l.p.host.index)
	}
	return nil
}

func (l logHandler) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l logHandler) WithGroup(string) slog.Handler { return l }

// read looks a key up and has the answer judged.
func (w *world) read(ctx context.Context, p *process, key int, redacted string) (version int64, err error) {
	began, promised := w.now(), w.truth.promised(key)
	found, err := w.lookup(ctx, p, key, redacted)
	if p.dead.Load() && !p.leaving.Load() {
		return -1, errDead // the answer reaches no one
	}
	now := w.now()
	if wrong := w.truth.judge(key, promised, began, found, err); wrong != "" {
		w.truth.accuse("%v: read of key %d at host %d, begun at %v: %s", now, key, p.host.index, began, wrong)
	}
	version = -1
	if err == nil {
		version = 0
		if found.Record != nil {
			version = found.Record.Key.Version
		}
	}
	w.trace.note(now, p.host.index, "reads", int64(key), version)
	if ctx.Done() == nil && !p.leaving.Load() && !w.troubled(p.host, began-1100*time.Millisecond) { // a load that is joined may have begun a second ago
		if err != nil {
			w.truth.accuse("%v: read of key %d at host %d, begun at %v: unavailable for no reason: %v", now, key, p.host.index, began, err)
		}
		if now-began > time.Second {
			w.truth.accuse("%v: read of key %d at host %d, begun at %v: took too long for no reason", now, key, p.host.index, began)
		}
	}
	return version, err
}

// recalled is the feed of answers that do not name their head.
const recalled = "recalled"

// lookup reads the memory of the process first, as package store does, for every other key.
func (w *world) lookup(ctx context.Context, p *process, key int, redacted string) (store.Found, error) {
	id := w.truth.keys[key].id
	if key%2 == 1 {
		if r, _ := p.cache.Recall(id); r != nil {
			return store.Found{Record: r, FeedID: recalled}, nil
		}
	}
	return p.cache.Lookup(ctx, id, redacted)
}

// troubled reports whether the host could not use the store as usual at some time since a moment.
func (w *world) troubled(h *host, since time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return h.trouble.since(since)
}

// verb is a kind of change.
type verb int

const (
	update verb = iota
	remove
	repeat    // finds its work done, and appends an event all the same
	nothing   // finds its work done, and appends none
	bulk      // several keys
	importing // new keys that were never announced, in one event that names none
	upgrade   // one key, in two events of which the second names none
	unname    // a key loses its lookup id, in an event that names none
	thousand  // more events than are replayed
	verbs
)

// change changes keys through a process, and reports a success to the oracle.
func (w *world) change(ctx context.Context, p *process, v verb, keys []int) error {
	w.mu.Lock()
	w.requests++
	w.mu.Unlock()
	began := w.now()
	request := fmt.Sprintf("%d by %d", began, p.host.index)
	in := &intent{writes: map[int]int64{}, touches: keys}
	if v != bulk && v != importing {
		in.touches = keys[:1]
	}
	w.truth.intend(request, in)
	_, err := p.cache.Change(ctx, store.Actor{RequestID: request}, func(tx store.Tx) error { return w.write(tx, v, keys, in) })
	if p.dead.Load() && !p.leaving.Load() {
		return errDead
	}
	took := w.now() - began
	result := int64(0)
	if err != nil {
		result = 1
	}
	w.trace.note(w.now(), p.host.index, "has changed", int64(v), result)
	w.truth.mu.Lock()
	switch {
	case err != nil:
		w.truth.failed++
	case took > 500*time.Millisecond:
		w.truth.slow++
		fallthrough
	default:
		w.truth.changes++
	}
	w.truth.mu.Unlock()
	if err != nil {
		if !errors.Is(err, store.ErrUnavailable) && !(errors.Is(err, ErrNeedsRedis) && w.setup.apart > 0) {
			w.truth.accuse("%v: change at host %d: the error is not ErrUnavailable: %v", w.now(), p.host.index, err)
		}
		return err
	}
	w.truth.succeeded(request)
	return nil
}

// write is the transaction.
func (w *world) write(tx store.Tx, v verb, keys []int, in *intent) error {
	ctx := context.Background()
	put := func(key int, kind store.Kind) error {
		now, next := w.truth.version(key)
		in.writes[key] = next
		if now == 0 {
			err := tx.Insert(ctx, w.record(key, next), store.Event{Kind: store.Created})
			if !errors.Is(err, store.ErrConflict) {
				return err
			}
			kind = store.Upgraded // it is there, without a lookup id
		}
		return tx.Update(ctx, w.record(key, next), store.Event{Kind: kind})
	}
	now, next := w.truth.version(keys[0])
	switch v {
	case update:
		return put(keys[0], store.Updated)
	case remove:
		if now == 0 {
			return nil // a change without an event
		}
		in.writes[keys[0]] = 0
		return tx.Delete(ctx, w.record(keys[0], now), store.Event{Kind: store.Deleted})
	case unname:
		if now == 0 {
			return nil
		}
		r := w.record(keys[0], next)
		r.Key.LookupID = store.LookupID{}
		w.sealer.Seal(r)
		in.writes[keys[0]] = 0
		return tx.Update(ctx, r, store.Event{Kind: store.Upgraded})
	case repeat:
		return tx.Append(ctx, w.record(keys[0], now), store.Event{Kind: store.Revoked})
	case nothing:
		return nil
	case bulk:
		for _, key := range keys {
			if err := put(key, store.Revoked); err != nil {
				return err
			}
		}
		return nil
	case importing:
		for _, key := range keys {
			if now, next := w.truth.version(key); now == 0 {
				if err := tx.InsertQuietly(ctx, w.record(key, next)); errors.Is(err, store.ErrConflict) {
					continue
				} else if err != nil {
					return err
				}
				in.writes[key] = next
			}
		}
		return tx.Append(ctx, nil, store.Event{Kind: store.Imported})
	case upgrade:
		if err := put(keys[0], store.Upgraded); err != nil {
			return err
		}
		return tx.Append(ctx, nil, store.Event{Kind: store.Upgraded})
	case thousand:
		if err := put(keys[0], store.Updated); err != nil {
			return err
		}
		for range replayLimit {
			if err := tx.Append(ctx, w.record(keys[0], next), store.Event{Kind: store.Updated}); err != nil {
				return err
			}
		}
		return nil
	}
	panic("no such verb")
}
