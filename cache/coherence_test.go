package cache_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// The tests of protocol 12 that need the real otter and a real Redis. The oracle is always the
// same: after a change has returned success, every lookup that begins then reflects it.

// latest is that oracle for one key whose versions go up.
type latest struct{ version atomic.Int64 }

// change makes a new version of the key through s, and afterwards requires it of every reader. On a
// machine so busy that Redis and feed cannot be reached in time, a change may return an error; then
// it is repeated, as a client would.
func (l *latest) change(t *testing.T, s store.Store, r *store.Record) {
	t.Helper()
	ctx := context.Background()
	for range 50 {
		var n int64
		_, err := s.Change(ctx, store.Actor{ID: "test"}, func(tx store.Tx) error {
			found, err := tx.Find(ctx, store.Query{Filter: store.Filter{IDs: []string{r.Key.ID}}})
			if err != nil {
				return err
			}
			next := found[0]
			next.Key.Version++
			n = next.Key.Version
			return tx.Update(ctx, next, store.Event{Kind: store.Updated, At: time.Now()})
		})
		if errors.Is(err, store.ErrUnavailable) {
			t.Logf("not confirmed: %v", err)
			continue
		}
		if err != nil {
			t.Errorf("change: %v", err)
			return
		}
		for {
			old := l.version.Load()
			if old >= n || l.version.CompareAndSwap(old, n) {
				return
			}
		}
	}
	t.Error("no change was ever confirmed")
}

// read looks the key up and checks the answer.
func (l *latest) read(t *testing.T, who string, s store.Store, r *store.Record) {
	t.Helper()
	least := l.version.Load()
	found, err := s.Lookup(context.Background(), r.Key.LookupID, "")
	switch {
	case errors.Is(err, store.ErrUnavailable):
	case err != nil:
		t.Errorf("%s: %v", who, err)
	case found.Record == nil:
		t.Errorf("%s: a key that exists is unknown", who)
	case found.Record.Key.Version < least:
		t.Errorf("%s: answers version %d after version %d was confirmed", who, found.Record.Key.Version, least)
	}
}

func TestTwoInstancesUnderLoad(t *testing.T) {
	server := servers.Redis(t)
	rows := store.NewMemory()
	both := [2]*cache.Cache{}
	for i := range both {
		rdb, _ := client(t, server.Addr())
		both[i] = open(t, cache.Options{Lease: brisk, MaxStale: cache.Strict}, &spy{Store: rows}, rdb)
	}
	ready(t, both[:]...)
	r := someRecord(nil)
	insert(t, rows, r)

	var l latest
	var readers, writers sync.WaitGroup
	var over atomic.Bool
	for i, c := range both {
		for range 3 {
			readers.Go(func() {
				for !over.Load() {
					l.read(t, [2]string{"A", "B"}[i], c, r)
					runtime.Gosched()
				}
			})
		}
		for range 2 {
			writers.Go(func() {
				for range 15 {
					l.change(t, c, r)
					l.read(t, "after a change", both[1-i], r)
				}
			})
		}
	}
	writers.Wait()
	over.Store(true)
	readers.Wait()
	if n := l.version.Load(); n < 61 {
		t.Errorf("60 changes made version %d of version 1", n)
	}
}

// T3 and T4: a load hangs between the store's answer and everything that follows, and the key
// changes meanwhile.
func TestChangeDuringALoad(t *testing.T) {
	for _, n := range []struct {
		name  string
		redis bool
	}{{"without Redis", false}, {"with Redis", true}} {
		t.Run(n.name, func(t *testing.T) {
			var rdbA, rdbB redis.UniversalClient
			if n.redis {
				server := servers.Redis(t)
				rdbA, _ = client(t, server.Addr())
				rdbB, _ = client(t, server.Addr())
			}
			memory := store.NewMemory()
			rowsA := &spy{Store: memory}
			o := cache.Options{Lease: brisk, StoreTimeout: time.Minute}
			a, b := open(t, o, rowsA, rdbA), open(t, o, memory, rdbB)
			ready(t, a, b)
			r := someRecord(nil)
			insert(t, memory, r)

			answered, release := make(chan struct{}), make(chan struct{})
			var once sync.Once
			rowsA.hooks(func(s *spy) {
				s.onFound = func(store.Found) {
					first := false
					once.Do(func() { first = true })
					if first {
						close(answered)
						<-release
					}
				}
			})
			var l latest
			hung := make(chan store.Found, 1)
			eventually(t, "fresh", func() bool { return a.Stats().Fresh })
			go func() {
				found, _ := a.Lookup(context.Background(), r.Key.LookupID, "")
				hung <- found
			}()
			<-answered // with version 1
			l.change(t, b, r)
			l.read(t, "A while its load hangs", a, r) // must not join it
			l.change(t, b, r)
			close(release)
			<-hung // began before: any answer is right
			for range 100 {
				l.read(t, "A after the load", a, r)
				l.read(t, "B after the load", b, r)
			}
			c := open(t, o, memory, rdbB) // what is in Redis
			ready(t, c)
			l.read(t, "C, from Redis", c, r)
		})
	}
}

// hold lets one command of a client wait: before it is sent, or after its answer has come.
type hold struct {
	name          string
	after         bool
	armed         atomic.Bool
	held, release chan struct{}
}

func newHold(name string, after bool) *hold {
	return &hold{name: name, after: after, held: make(chan struct{}), release: make(chan struct{})}
}

func (h *hold) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *hold) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() != h.name || !h.armed.CompareAndSwap(true, false) {
			return next(ctx, cmd)
		}
		ctx = context.WithoutCancel(ctx) // delayed, not given up
		if h.after {
			err := next(ctx, cmd)
			close(h.held)
			<-h.release
			return err
		}
		close(h.held)
		<-h.release
		return next(ctx, cmd)
	}
}

func (h *hold) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// pairOfCaches returns two caches over one store and one Redis; the first one's commands can be
// held. o is for both.
func pairOfCaches(t *testing.T, o cache.Options, server *servers.RedisServer, hooks ...redis.Hook) (a, b *cache.Cache, rowsA *spy, memory store.Store) {
	t.Helper()
	rdbA, _ := client(t, server.Addr())
	for _, h := range hooks {
		rdbA.AddHook(h)
	}
	rdbB, _ := client(t, server.Addr())
	memory = store.NewMemory()
	rowsA = &spy{Store: memory}
	a, b = open(t, o, rowsA, rdbA), open(t, o, memory, rdbB)
	ready(t, a, b)
	return a, b, rowsA, memory
}

func TestChangeDuringACommand(t *testing.T) {
	warm := func(t *testing.T, c *cache.Cache, memory store.Store) { // the scripts' first use
		t.Helper()
		w := someRecord(nil)
		insert(t, memory, w)
		putInRedis(t, c, w)
	}
	t.Run("T3: a fill that comes after the change", func(t *testing.T) {
		h := newHold("evalsha", false)
		a, b, _, memory := pairOfCaches(t, cache.Options{Lease: brisk, RedisTimeout: time.Minute}, servers.Redis(t), h)
		warm(t, a, memory)
		r := someRecord(nil)
		insert(t, memory, r)
		caughtUp(t, memory, a)
		lost := a.Stats().FillsLost
		// Repairs are scripts too; the fill is the one that follows the load.
		eventually(t, "repairs are over", func() bool { n := a.Stats().Repairs; time.Sleep(4 * brisk); return a.Stats().Repairs == n })
		h.armed.Store(true)
		var l latest
		l.read(t, "A", a, r)
		<-h.held
		l.change(t, b, r)
		l.read(t, "A", a, r)
		close(h.release)
		eventually(t, "the fill has come too late", func() bool { return a.Stats().FillsLost == lost+1 })
		l.read(t, "A", a, r)
		l.read(t, "B", b, r)
	})
	t.Run("T3: an answer of Redis that comes after the change", func(t *testing.T) {
		h := newHold("mget", true)
		server := servers.Redis(t)
		a, b, _, memory := pairOfCaches(t, cache.Options{Lease: brisk, RedisTimeout: time.Minute}, server, h)
		rdb, _ := client(t, server.Addr())
		warm(t, b, memory)
		r := someRecord(nil)
		insert(t, memory, r)
		eventually(t, "Redis has the key", func() bool {
			if names, err := rdb.Keys(context.Background(), "*"+inName(r.Key.LookupID)).Result(); err == nil && len(names) == 1 {
				return true // its own: a fill of what was looked up before may come late
			}
			change(t, b, func(tx store.Tx) error { // empties B's memory
				return tx.Append(context.Background(), r, store.Event{Kind: store.Updated, At: time.Now()})
			})
			title(t, b, r)
			time.Sleep(brisk)
			return false
		})
		eventually(t, "A is fresh", func() bool { return a.Stats().Fresh })
		hits := a.Stats().RedisHits
		h.armed.Store(true)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = a.Lookup(context.Background(), r.Key.LookupID, "")
		}()
		<-h.held
		var l latest
		l.change(t, b, r)
		l.read(t, "A, not joining", a, r)
		close(h.release)
		<-done
		want(t, "the held answer was a hit", a.Stats().RedisHits > hits, true)
		for range 100 {
			l.read(t, "A", a, r)
		}
	})
	t.Run("T8: of two changers the older one's advance comes last", func(t *testing.T) {
		h := newHold("evalsha", false)
		server := servers.Redis(t)
		a, b, _, memory := pairOfCaches(t, cache.Options{Lease: brisk}, server, h)
		warm(t, b, memory)
		r := someRecord(nil)
		insert(t, memory, r)
		var l latest
		l.read(t, "B", b, r)
		h.armed.Store(true)
		l.change(t, a, r) // its advance hangs, which counts as a time-out
		<-h.held
		l.change(t, b, r)
		l.read(t, "B", b, r)
		eventually(t, "Redis has the key again", func() bool { return b.Stats().Fills > 1 })
		close(h.release)
		for range 100 {
			l.read(t, "A", a, r)
			l.read(t, "B", b, r)
		}
		rdb, _ := client(t, server.Addr())
		c := open(t, cache.Options{Lease: brisk}, memory, rdb)
		ready(t, c)
		l.read(t, "C", c, r)
	})
}

// T5: a gap in the feed, or an event that names no key, while a load is under way.
func TestDropDuringALoad(t *testing.T) {
	for _, n := range []struct {
		name string
		bulk func(t *testing.T, a *cache.Cache, rowsA *spy, memory store.Store, r *store.Record)
	}{
		{"events are missing", func(t *testing.T, a *cache.Cache, rowsA *spy, memory store.Store, r *store.Record) {
			rowsA.feedDown.Store(true)
			retitle(t, memory, r, "new")
			change(t, memory, func(tx store.Tx) error {
				return tx.Append(context.Background(), nil, store.Event{Kind: store.Updated, At: time.Now().Add(time.Hour)})
			})
			if n, err := memory.PruneEvents(context.Background(), time.Now().Add(time.Minute)); n == 0 || err != nil {
				t.Fatal(n, err)
			}
			rowsA.feedDown.Store(false)
		}},
		{"more events than are replayed", func(t *testing.T, a *cache.Cache, rowsA *spy, memory store.Store, r *store.Record) {
			change(t, memory, func(tx store.Tx) error {
				for range 1500 {
					if err := tx.Append(context.Background(), someRecord(nil), store.Event{Kind: store.Updated, At: time.Now()}); err != nil {
						return err
					}
				}
				return retitling(r, "new")(tx)
			})
		}},
		{"an event names no key", func(t *testing.T, a *cache.Cache, rowsA *spy, memory store.Store, r *store.Record) {
			change(t, memory, func(tx store.Tx) error {
				next := r.Clone()
				next.Key.Title = "new"
				if err := tx.Update(context.Background(), next, store.Event{Kind: store.Updated, At: time.Now()}); err != nil {
					return err
				}
				return tx.Append(context.Background(), nil, store.Event{Kind: store.Imported, At: time.Now()})
			})
		}},
	} {
		t.Run(n.name, func(t *testing.T) {
			memory := store.NewMemory()
			rows := &spy{Store: memory}
			a := open(t, cache.Options{Lease: brisk, StoreTimeout: time.Minute}, rows, nil)
			ready(t, a)
			r := someRecord(nil)
			insert(t, memory, r)
			caughtUp(t, memory, a)

			answered, release := make(chan struct{}), make(chan struct{})
			var once sync.Once
			rows.hooks(func(s *spy) {
				s.onFound = func(store.Found) {
					first := false
					once.Do(func() { first = true })
					if first {
						close(answered)
						<-release
					}
				}
			})
			hung := make(chan struct{})
			go func() { defer close(hung); title(t, a, r) }()
			<-answered
			n.bulk(t, a, rows, memory, r)
			caughtUp(t, memory, a)
			want(t, "drops", a.Stats().Drops > 0, true)
			want(t, "title, while the load hangs", title(t, a, r), "new")
			close(release)
			<-hung
			want(t, "title", title(t, a, r), "new")
		})
	}
}

// T7: Redis loses or regains data.
func TestRedisLosesData(t *testing.T) {
	ctx := context.Background()
	// loaded returns a key that Redis has, in version 1, and the two caches.
	loaded := func(t *testing.T, server *servers.RedisServer) (a, b *cache.Cache, memory store.Store, r *store.Record, rdb *redis.Client) {
		t.Helper()
		a, b, _, memory = pairOfCaches(t, cache.Options{Lease: brisk}, server)
		r = someRecord(nil)
		insert(t, memory, r)
		rdb, _ = client(t, server.Addr())
		eventually(t, "Redis keeps the key", func() bool { // a repair that was still due has dropped it again
			putInRedis(t, a, r)
			feed, err := memory.Feed(ctx, 0, 1)
			if err != nil {
				t.Fatal(err)
			}
			has := copyOf(t, rdb)
			return len(has) == 2 && strings.Contains(has[markOf(has)], fmt.Sprint(":", feed.Head, ":"))
		})
		return a, b, memory, r, rdb
	}
	reread := func(t *testing.T, l *latest, memory store.Store, r *store.Record, rdb redis.UniversalClient, others ...*cache.Cache) {
		t.Helper()
		c := open(t, cache.Options{Lease: brisk}, memory, rdb) // has nothing in the process
		for range 20 {
			l.read(t, "C", c, r)
			for _, other := range others {
				l.read(t, "other", other, r)
			}
		}
		ready(t, c)
		l.read(t, "C", c, r)
	}
	t.Run("all of it", func(t *testing.T) {
		server := servers.NewRedis(t)
		a, b, memory, r, rdb := loaded(t, server)
		if err := rdb.FlushAll(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		var l latest
		l.change(t, a, r)
		reread(t, &l, memory, r, rdb, a, b)
		fills := a.Stats().Fills
		eventually(t, "Redis is in use again", func() bool {
			l.change(t, b, r)
			title(t, a, r)
			return a.Stats().Fills > fills
		})
		reread(t, &l, memory, r, rdb, a, b)
	})
	t.Run("a snapshot from before the change comes back", func(t *testing.T) {
		server := servers.NewRedis(t)
		a, b, memory, r, rdb := loaded(t, server)
		dump := filepath.Join(server.Dir(), "dump.rdb")
		eventually(t, "saved", func() bool { return rdb.Save(ctx).Err() == nil }) // on a busy machine it takes longer than a lookup may
		before, err := os.ReadFile(dump)
		if err != nil {
			t.Fatal(err)
		}
		var l latest
		l.change(t, b, r)
		server.Kill()
		if err := os.WriteFile(dump, before, 0o600); err != nil {
			t.Fatal(err)
		}
		server.Restart()
		keys, err := rdb.Keys(ctx, "*").Result()
		if err != nil || len(keys) == 0 { // the entry may have been dropped again already, by a repair
			t.Fatalf("restored: %v, %v", keys, err)
		}
		reread(t, &l, memory, r, rdb, a, b)
	})
	t.Run("a snapshot older than the events that are kept", func(t *testing.T) {
		server := servers.NewRedis(t)
		a, b, memory, r, rdb := loaded(t, server)
		old := copyOf(t, rdb)
		var l latest
		l.change(t, b, r)
		l.change(t, b, r)
		if _, err := memory.PruneEvents(ctx, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		putBack(t, rdb, old)
		reread(t, &l, memory, r, rdb, a, b)
		l.change(t, a, r)
		generation, _, _ := strings.Cut(old[markOf(old)], ":")
		want(t, "the old generation is left", strings.HasPrefix(copyOf(t, rdb)[markOf(old)], generation), false)
		reread(t, &l, memory, r, rdb, a, b)
	})
	t.Run("the watermark alone, and old entries come back under it", func(t *testing.T) {
		server := servers.NewRedis(t)
		a, b, memory, r, rdb := loaded(t, server)
		old := copyOf(t, rdb)
		wm := markOf(old)
		var l latest
		l.change(t, b, r)
		if err := rdb.Del(ctx, wm).Err(); err != nil {
			t.Fatal(err)
		}
		l.change(t, b, r) // repairs
		eventually(t, "a new watermark", func() bool { return rdb.Exists(ctx, wm).Val() == 1 })
		for key, value := range old {
			if key != wm {
				if err := rdb.Set(ctx, key, value, time.Hour).Err(); err != nil {
					t.Fatal(err)
				}
			}
		}
		reread(t, &l, memory, r, rdb, a, b)
	})
}

func copyOf(t *testing.T, rdb *redis.Client) map[string]string {
	t.Helper()
	all := map[string]string{}
	keys, err := rdb.Keys(context.Background(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		all[key] = rdb.Get(context.Background(), key).Val()
	}
	return all
}

func putBack(t *testing.T, rdb *redis.Client, all map[string]string) {
	t.Helper()
	pipe := rdb.TxPipeline()
	pipe.FlushAll(context.Background())
	for key, value := range all {
		pipe.Set(context.Background(), key, value, 0)
	}
	if _, err := pipe.Exec(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func markOf(all map[string]string) string {
	for key := range all {
		if len(key) > 3 && key[len(key)-3:] == ":wm" {
			return key
		}
	}
	return ""
}

// T12: a changer crashes between commit and everything else; the same change is repeated elsewhere.
func TestCrashedChangerIsRepeatedElsewhere(t *testing.T) {
	a, b, _, memory := pairOfCaches(t, cache.Options{Lease: brisk}, servers.Redis(t))
	r := someRecord(nil)
	insert(t, memory, r)
	want(t, "title", title(t, a, r), "test")
	want(t, "title", title(t, b, r), "test")
	retitle(t, memory, r, "new") // not announced
	change(t, b, func(tx store.Tx) error {
		return tx.Append(context.Background(), r, store.Event{Kind: store.Updated, At: time.Now()})
	})
	want(t, "A", title(t, a, r), "new")
	want(t, "B", title(t, b, r), "new")
}

// T12, for changes whose repetition finds nothing left to do: a delete of a deleted key, an import
// of what is there.
func TestChangeThatChangesNothingWaits(t *testing.T) {
	nothing := func(tx store.Tx) error {
		_, err := tx.Find(context.Background(), store.Query{Limit: 1})
		return err
	}
	over := func(t *testing.T, a, b *cache.Cache, memory store.Store) {
		for range 5 {
			r := someRecord(nil)
			for _, c := range []*cache.Cache{a, b} {
				want(t, "title before the insert", title(t, c, r), "")
			}
			insert(t, memory, r) // by a changer that crashes then: not announced
			change(t, b, nothing)
			for _, c := range []*cache.Cache{a, b} {
				want(t, "title after the insert", title(t, c, r), "test")
			}
			change(t, memory, func(tx store.Tx) error {
				return tx.Delete(context.Background(), r, store.Event{Kind: store.Deleted, At: time.Now()})
			})
			change(t, b, nothing)
			for _, c := range []*cache.Cache{a, b} {
				want(t, "title after the delete", title(t, c, r), "")
			}
		}
	}
	t.Run("with Redis", func(t *testing.T) {
		a, b, _, memory := pairOfCaches(t, cache.Options{Lease: brisk}, servers.Redis(t))
		over(t, a, b, memory)
	})
	t.Run("without Redis", func(t *testing.T) {
		memory := store.NewMemory()
		a, b := open(t, cache.Options{Lease: brisk}, memory, nil), open(t, cache.Options{Lease: brisk}, memory, nil)
		ready(t, a, b)
		over(t, a, b, memory)
	})
	t.Run("and fails when the store cannot say how far it has come", func(t *testing.T) {
		rows := &spy{Store: store.NewMemory()}
		c := open(t, cache.Options{Lease: brisk}, rows, nil)
		rows.feedDown.Store(true)
		_, err := c.Change(context.Background(), store.Actor{}, nothing)
		wantUnavailable(t, err)
	})
}

// T13: unknown tokens are remembered, and known at once when they become keys.
func TestUnknownBecomesKnown(t *testing.T) {
	for _, n := range []struct {
		name string
		add  func(store.Tx, *store.Record) error
	}{
		{"by a creation", func(tx store.Tx, r *store.Record) error {
			return tx.Insert(context.Background(), r, store.Event{Kind: store.Created, At: time.Now()})
		}},
		{"by an import, which names no key", func(tx store.Tx, r *store.Record) error {
			if err := tx.InsertQuietly(context.Background(), r); err != nil {
				return err
			}
			return tx.Append(context.Background(), nil, store.Event{Kind: store.Imported, At: time.Now()})
		}},
	} {
		t.Run(n.name, func(t *testing.T) {
			a, b, _, _ := pairOfCaches(t, cache.Options{Lease: brisk}, servers.Redis(t))
			for range 5 {
				r := someRecord(nil)
				for _, c := range []*cache.Cache{a, b} {
					remembered := c.Stats().UnknownHits
					eventually(t, "the unknown token is remembered", func() bool {
						want(t, "title", title(t, c, r), "")
						return c.Stats().UnknownHits > remembered
					})
				}
				change(t, a, func(tx store.Tx) error { return n.add(tx, r) })
				want(t, "A", title(t, a, r), "test")
				want(t, "B", title(t, b, r), "test")
			}
		})
	}
	t.Run("an update does not make the process forget unknown tokens", func(t *testing.T) {
		memory := store.NewMemory()
		rows := &spy{Store: memory}
		c := open(t, cache.Options{Lease: brisk}, rows, nil)
		ready(t, c)
		r, stranger := someRecord(nil), someRecord(nil)
		insert(t, memory, r)
		caughtUp(t, memory, c)
		eventually(t, "the unknown token is remembered", func() bool { title(t, c, stranger); return c.Stats().UnknownHits > 0 })
		retitle(t, c, r, "new")
		statements := rows.lookups.Load()
		hits := c.Stats().UnknownHits
		stale := c.Stats().StaleLookups
		eventually(t, "still remembered", func() bool { title(t, c, stranger); return c.Stats().UnknownHits > hits })
		want(t, "statements", rows.lookups.Load()-statements, int64(c.Stats().StaleLookups-stale))
	})
}

// An event that names no key must start a new generation in Redis: what is in there may be what it
// is about.
func TestEventWithoutAKeyDropsWhatRedisHas(t *testing.T) {
	for _, n := range []struct {
		name string
		who  func(a *cache.Cache, memory store.Store) store.Store
	}{
		{"told by the changer", func(a *cache.Cache, _ store.Store) store.Store { return a }},
		{"found by a repair", func(_ *cache.Cache, memory store.Store) store.Store { return memory }},
	} {
		t.Run(n.name, func(t *testing.T) {
			server := servers.Redis(t)
			a, b, _, memory := pairOfCaches(t, cache.Options{Lease: brisk}, server)
			r := someRecord(nil)
			change(t, a, func(tx store.Tx) error {
				return tx.Insert(context.Background(), r, store.Event{Kind: store.Created, At: time.Now()})
			})
			putInRedis(t, a, r)
			resets := a.Stats().Resets + b.Stats().Resets
			hits := b.Stats().RedisHits
			eventually(t, "B has it from there", func() bool { title(t, b, r); return b.Stats().RedisHits > hits })

			// The record changes, and the only event does not name its key.
			change(t, n.who(a, memory), func(tx store.Tx) error {
				return tx.Update(context.Background(), unnamed(r), store.Event{Kind: store.Updated, At: time.Now()})
			})
			caughtUp(t, memory, a, b)
			for _, c := range []*cache.Cache{a, b} {
				want(t, "title", title(t, c, r), "")
			}
			eventually(t, "a new generation", func() bool { return a.Stats().Resets+b.Stats().Resets > resets })
			rdb, _ := client(t, server.Addr())
			c := open(t, cache.Options{Lease: brisk}, memory, rdb)
			ready(t, c)
			want(t, "C", title(t, c, r), "")
		})
	}
}

// unnamed is the record without its lookup id.
func unnamed(r *store.Record) *store.Record {
	r = r.Clone()
	r.Key.LookupID = store.LookupID{}
	return r
}
