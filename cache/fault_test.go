package cache_test

import (
	"context"
	"errors"
	"fmt"
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

// T14: the store is out of reach.
func TestStoreDown(t *testing.T) {
	ctx := context.Background()
	server := servers.Redis(t)
	known := func(t *testing.T, o cache.Options) (*cache.Cache, *spy, *store.Record) {
		t.Helper()
		rdb, _ := client(t, server.Addr())
		rows := &spy{Store: store.NewMemory()}
		c := open(t, o, rows, rdb)
		ready(t, c)
		r := someRecord(nil)
		change(t, c, func(tx store.Tx) error {
			return tx.Insert(ctx, r, store.Event{Kind: store.Created, At: time.Now()})
		})
		putInRedis(t, c, r)
		return c, rows, r
	}
	stale := func(t *testing.T, c *cache.Cache, rows *spy) {
		t.Helper()
		rows.down.Store(true)
		eventually(t, "the feed is out of reach", func() bool { return !c.Stats().Fresh })
	}
	t.Run("Redis answers for known keys; the rest is unavailable and never unknown", func(t *testing.T) {
		c, rows, r := known(t, cache.Options{Lease: brisk})
		stranger := someRecord(nil)
		eventually(t, "a stranger is remembered", func() bool { title(t, c, stranger); return c.Stats().UnknownHits > 0 })
		want(t, "stale", c.Stats().Stale, false)
		stale(t, c, rows)
		eventually(t, "stale", func() bool { return c.Stats().Stale })
		for range 10 {
			eventually(t, "Redis answers", func() bool { // not within its budget each time, on a busy machine
				found, err := c.Lookup(ctx, r.Key.LookupID, "")
				if err != nil {
					wantUnavailable(t, err)
					return false
				}
				want(t, "known", found.Record != nil, true)
				return true
			})
			_, err := c.Lookup(ctx, stranger.Key.LookupID, "")
			wantUnavailable(t, err)
		}
		rows.down.Store(false)
		ready(t, c)
		want(t, "title", title(t, c, r), "test")
		want(t, "title", title(t, c, stranger), "")
	})
	t.Run("not when the store has been replaced, which it does not recover from", func(t *testing.T) {
		c, rows, r := known(t, cache.Options{Lease: brisk})
		rows.replaced.Store(true)
		eventually(t, "nothing is answered", func() bool {
			_, err := c.Lookup(ctx, r.Key.LookupID, "")
			return errors.Is(err, store.ErrUnavailable)
		})
		for range 10 {
			_, err := c.Lookup(ctx, r.Key.LookupID, "")
			wantUnavailable(t, err)
		}
		want(t, "stale", c.Stats().Stale, false)
	})
	t.Run("until MaxStale", func(t *testing.T) {
		c, rows, r := known(t, cache.Options{Lease: brisk, MaxStale: 10 * brisk})
		stale(t, c, rows)
		want(t, "title", title(t, c, r), "test")
		eventually(t, "too stale", func() bool { return c.Stats().FeedAge > 10*brisk })
		want(t, "stale", c.Stats().Stale, false)
		_, err := c.Lookup(ctx, r.Key.LookupID, "")
		wantUnavailable(t, err)
	})
	t.Run("strict: not at all", func(t *testing.T) {
		c, rows, r := known(t, cache.Options{Lease: brisk, MaxStale: cache.Strict})
		stale(t, c, rows)
		_, err := c.Lookup(ctx, r.Key.LookupID, "")
		wantUnavailable(t, err)
	})
	t.Run("a store that was never reached", func(t *testing.T) {
		rdb, _ := client(t, servers.Redis(t).Addr())
		rows := &spy{Store: store.NewMemory()}
		rows.down.Store(true)
		c := open(t, cache.Options{Lease: brisk}, rows, rdb)
		_, err := c.Lookup(ctx, someRecord(nil).Key.LookupID, "")
		wantUnavailable(t, err)
		want(t, "age", c.Stats().FeedAge, time.Duration(-1))
		rows.down.Store(false)
		ready(t, c)
		want(t, "title", title(t, c, someRecord(nil)), "")
	})
	t.Run("stale answers do not enter the memory of the process", func(t *testing.T) {
		first, rows, r := known(t, cache.Options{Lease: brisk})
		rdb, _ := client(t, server.Addr())
		c := open(t, cache.Options{Lease: brisk}, rows, rdb)
		ready(t, first, c)
		rows.feedDown.Store(true)
		eventually(t, "the feed is out of reach", func() bool { return !c.Stats().Fresh })
		redisHits := c.Stats().RedisHits
		for range 5 {
			want(t, "title", title(t, c, r), "test")
		}
		want(t, "Redis hits", c.Stats().RedisHits, redisHits+5)
		want(t, "keys in memory", c.Stats().Keys, 0)
	})
	t.Run("an error of any other kind is unavailable too", func(t *testing.T) {
		rows := &odd{Store: store.NewMemory()}
		c := open(t, cache.Options{Lease: quiet}, rows, nil)
		ready(t, c)
		_, err := c.Lookup(ctx, someRecord(nil).Key.LookupID, "")
		wantUnavailable(t, err)
	})
}

// odd is a store that breaks the contract.
type odd struct{ store.Store }

func (odd) Lookup(context.Context, store.LookupID, string) (store.Found, error) {
	return store.Found{}, errors.New("something else")
}

// T15: Redis refuses connections.
func TestRedisDown(t *testing.T) {
	o := &redis.UniversalOptions{Addrs: []string{addrOfNothing(t)}}
	cache.RecommendedRedisOptions(o)
	rdb := redis.NewUniversalClient(o)
	t.Cleanup(func() { _ = rdb.Close() })
	rows := &spy{Store: store.NewMemory()}
	c := open(t, cache.Options{Lease: brisk, MaxStale: cache.Strict}, rows, rdb)
	eventually(t, "fresh", func() bool { return c.Stats().Fresh })
	r := someRecord(nil)
	change(t, c, func(tx store.Tx) error {
		return tx.Insert(context.Background(), r, store.Event{Kind: store.Created, At: time.Now()})
	})
	t.Run("changes take effect", func(t *testing.T) {
		want(t, "title", title(t, c, r), "test")
		retitle(t, c, r, "new")
		want(t, "title", title(t, c, r), "new")
	})
	t.Run("a hot key costs one statement", func(t *testing.T) {
		steady := open(t, cache.Options{Lease: quiet}, rows, rdb)
		eventually(t, "fresh", func() bool { return steady.Stats().Fresh })
		before := rows.lookups.Load()
		for range 1000 {
			want(t, "title", title(t, steady, r), "new")
		}
		want(t, "statements", rows.lookups.Load()-before, int64(1))
	})
}

// T15: while the feed is out of reach, only so many lookups read a slow store at once.
func TestSlowStoreIsSpared(t *testing.T) {
	const atOnce = 32
	rows := &spy{Store: store.NewMemory()}
	rows.feedDown.Store(true)
	var running, most atomic.Int64
	release := make(chan struct{})
	rows.hooks(func(s *spy) {
		s.onLookup = func(ctx context.Context) {
			n := running.Add(1)
			defer running.Add(-1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
	})
	c := open(t, cache.Options{Lease: brisk, StoreTimeout: 5 * time.Second}, rows, nil)
	id := someRecord(nil).Key.LookupID
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			if _, err := c.Lookup(context.Background(), id, ""); err != nil {
				t.Errorf("one of the first: %v", err)
			}
		})
	}
	eventually(t, "as many as may are asking", func() bool { return running.Load() == atOnce })
	for range 100 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			_, err := c.Lookup(ctx, id, "")
			wantUnavailable(t, err)
		})
	}
	eventually(t, "the others have given up", func() bool { return c.Stats().StoreErrors == 100 })
	close(release)
	all.Wait()
	want(t, "at once", most.Load(), int64(atOnce))
	want(t, "statements", rows.lookups.Load(), int64(atOnce))
}

// Redis hangs: connections stand, nothing is answered. The client waits for ever, so whatever does
// not wait for ever is the cache's doing.
func TestRedisHangs(t *testing.T) {
	server := servers.NewRedis(t)
	rdb := redis.NewClient(&redis.Options{
		Addr: server.Addr(), ReadTimeout: -1, WriteTimeout: -1, MaxRetries: -1, PoolSize: 1000, PoolTimeout: time.Hour,
	})
	t.Cleanup(func() { _ = rdb.Close() })
	rows := &spy{Store: store.NewMemory()}
	c := open(t, cache.Options{Lease: 10 * brisk, RedisTimeout: 20 * time.Millisecond}, rows, rdb)
	ready(t, c)
	records := make([]*store.Record, 3000)
	change(t, rows, func(tx store.Tx) error {
		for i := range records {
			records[i] = someRecord(nil)
			if err := tx.InsertQuietly(context.Background(), records[i]); err != nil {
				return err
			}
		}
		return tx.Append(context.Background(), nil, store.Event{Kind: store.Imported, At: time.Now()})
	})
	caughtUp(t, rows, c)
	ready(t, c)
	before := goroutines()

	server.Pause()
	most := 0
	measure := func() { most = max(most, goroutines()-before) }
	var crowd sync.WaitGroup // at first all at once, then one after the other
	for _, r := range records[:1000] {
		crowd.Go(func() { want(t, "title", title(t, c, r), "test") })
	}
	crowd.Wait()
	measure()
	for i, r := range records[1000:] {
		want(t, "title", title(t, c, r), "test")
		if i%100 == 0 {
			measure()
		}
	}
	want(t, "statements", rows.lookups.Load(), int64(len(records)))
	want(t, "breaker", c.Stats().Breaker, cache.BreakerOpen)
	t.Run("a change succeeds", func(t *testing.T) { retitle(t, c, records[0], "new") })
	measure()
	// 256 + 4 calls and their connections' own goroutines; 3 000 requests came.
	if most > 600 {
		t.Errorf("%d goroutines piled up", most)
	}
	t.Logf("at most %d goroutines more than before", most)

	server.Resume()
	ready(t, c)
	want(t, "title", title(t, c, records[0]), "new")
	eventually(t, "the abandoned calls are gone", func() bool { return goroutines() <= before+20 })
}

func TestChangeThatCannotBeConfirmed(t *testing.T) {
	ctx := context.Background()
	t.Run("the client leaves: no success", func(t *testing.T) {
		memory := store.NewMemory()
		c := open(t, cache.Options{Lease: quiet}, memory, nil)
		ready(t, c)
		want(t, "join", memory.Join(ctx, store.Member{ID: "silent", Lease: quiet, TTL: time.Hour}), error(nil))
		r := someRecord(nil)
		ctx, cancel := context.WithCancel(ctx)
		committed := make(chan struct{})
		go func() {
			<-committed
			eventually(t, "committed", func() bool { f, _ := memory.Feed(context.Background(), 0, 1); return f.Head == 1 })
			cancel()
		}()
		_, err := c.Change(ctx, store.Actor{}, func(tx store.Tx) error {
			defer close(committed)
			return tx.Insert(context.Background(), r, store.Event{Kind: store.Created, At: time.Now()})
		})
		wantUnavailable(t, err)
		want(t, "cancelled", errors.Is(err, context.Canceled), true)
		want(t, "title, here", title(t, c, r), "test")
	})
	t.Run("Redis works but cannot be brought up to date: no success", func(t *testing.T) {
		rdb, _ := client(t, servers.NewRedis(t).Addr())
		rows := &spy{Store: store.NewMemory()}
		c := open(t, cache.Options{Lease: brisk, RedisTimeout: time.Minute}, rows, rdb)
		ready(t, c)
		rows.feedDown.Store(true)
		if err := rdb.FlushAll(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		_, err := c.Change(ctx, store.Actor{}, func(tx store.Tx) error {
			return tx.Insert(ctx, someRecord(nil), store.Event{Kind: store.Created, At: time.Now()})
		})
		wantUnavailable(t, err)
		rows.feedDown.Store(false)
		_, err = c.Change(ctx, store.Actor{}, func(tx store.Tx) error {
			return tx.Insert(ctx, someRecord(nil), store.Event{Kind: store.Created, At: time.Now()})
		})
		want(t, "once the store is back", err, error(nil))
	})
	t.Run("a change that fails does not wait", func(t *testing.T) {
		c := open(t, cache.Options{Lease: time.Minute}, store.NewMemory(), nil)
		refusal := errors.New("no")
		if _, err := c.Change(ctx, store.Actor{}, func(store.Tx) error { return refusal }); !errors.Is(err, refusal) {
			t.Errorf("got %v", err)
		}
	})
}

// An attacker who can write to Redis without a pepper gains nothing, neither by altering an entry
// nor by inventing one.
func TestRequirement05ForgedEntries(t *testing.T) {
	ctx := context.Background()
	sealer, err := store.NewSealer([]string{"0123456789abcdefghijklmnopqrstuvwxyz"})
	if err != nil {
		t.Fatal(err)
	}
	server := servers.Redis(t)
	rdb, _ := client(t, server.Addr())
	rows := &spy{Store: store.NewMemory()}
	c := open(t, cache.Options{Lease: brisk, Sealer: sealer, KeyPrefix: "forged"}, rows, rdb)
	ready(t, c)
	r := someRecord(sealer)
	change(t, c, func(tx store.Tx) error { return tx.Insert(ctx, r, store.Event{Kind: store.Created, At: time.Now()}) })
	eventually(t, "Redis has the key", func() bool { title(t, c, r); return c.Stats().Fills > 0 })
	rows.feedDown.Store(true) // from here on every lookup reads Redis
	eventually(t, "the feed is out of reach", func() bool { return !c.Stats().Fresh })
	keys, err := rdb.Keys(ctx, "forged:*:e:"+inName(r.Key.LookupID)).Result()
	if err != nil || len(keys) != 1 {
		t.Fatal(keys, err)
	}
	genuine := rdb.Get(ctx, keys[0]).Val()
	put := func(entry string) {
		t.Helper()
		if err := rdb.Set(ctx, keys[0], entry, time.Hour).Err(); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("the genuine one is used", func(t *testing.T) {
		hits := c.Stats().RedisHits
		want(t, "title", title(t, c, r), "test")
		want(t, "hits", c.Stats().RedisHits, hits+1)
	})
	t.Run("with any byte altered it is not", func(t *testing.T) {
		before := c.Stats()
		for i := range len(genuine) {
			altered := []byte(genuine)
			altered[i] ^= 0x01
			put(string(altered))
			want(t, "title", title(t, c, r), "test") // the store's word
		}
		after := c.Stats()
		want(t, "hits", after.RedisHits, before.RedisHits)
		want(t, "statements", after.StoreLookups-before.StoreLookups, uint64(len(genuine)))
		want(t, "alarms", after.RedisForged > before.RedisForged, true)
	})
	t.Run("nor is one that a process without peppers made", func(t *testing.T) {
		// It shares store and Redis, and has the key altered in its favour.
		plainRows := &spy{Store: rows.Store, alter: func(f *store.Found) {
			if f.Record != nil {
				f.Record = f.Record.Clone()
				f.Record.Key.Title = "forged"
			}
		}}
		other, _ := client(t, server.Addr())
		forger := open(t, cache.Options{Lease: brisk, KeyPrefix: "forged"}, plainRows, other)
		ready(t, forger)
		if err := rdb.Del(ctx, keys[0]).Err(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the forgery is in Redis", func() bool { title(t, forger, r); return forger.Stats().Fills > 0 })
		hits := c.Stats().RedisHits
		want(t, "title", title(t, c, r), "test")
		want(t, "hits", c.Stats().RedisHits, hits)
	})
}

// A row that was altered in the database is returned, for package store to refuse, and stored in no
// cache.
func TestRequirement05ForgedRowIsNotKept(t *testing.T) {
	ctx := context.Background()
	sealer, err := store.NewSealer([]string{"0123456789abcdefghijklmnopqrstuvwxyz"})
	if err != nil {
		t.Fatal(err)
	}
	rdb, _ := client(t, servers.Redis(t).Addr())
	rows := &spy{Store: store.NewMemory()}
	c := open(t, cache.Options{Lease: brisk, Sealer: sealer}, rows, rdb)
	keys, err := store.Options{Sealer: sealer, Logger: silent, FlushInterval: -1}.New(c)
	if err != nil {
		t.Fatal(err)
	}
	made, err := keys.Create(ctx, store.NewKey{Type: store.Secret, Title: "ERP", Scopes: []string{"read"}})
	if err != nil {
		t.Fatal(err)
	}
	token := made.Token.Reveal()
	if _, err := keys.Authenticate(ctx, token); err != nil {
		t.Fatal(err)
	}
	change(t, rows, func(tx store.Tx) error {
		found, err := tx.Find(ctx, store.Query{})
		if err != nil {
			return err
		}
		found[0].Key.Scopes = nil // all power
		return tx.Update(ctx, found[0], store.Event{Kind: store.Updated, At: time.Now()})
	})
	caughtUp(t, rows, c)
	fills := c.Stats().Fills
	before := rows.lookups.Load()
	for range 5 {
		if _, err := keys.Authenticate(ctx, token); !errors.Is(err, store.ErrForged) {
			t.Errorf("got %v", err)
		}
	}
	want(t, "statements", rows.lookups.Load()-before, int64(5))
	want(t, "fills", c.Stats().Fills, fills)
}

// Two stores on one Redis never meet, though they use the same prefix and even the same lookup ids.
func TestStoresOnOneRedisDoNotMeet(t *testing.T) {
	server := servers.Redis(t)
	r := someRecord(nil)
	var caches []*cache.Cache
	for i := range 2 {
		rdb, _ := client(t, server.Addr())
		rows := store.NewMemory()
		c := open(t, cache.Options{Lease: brisk}, rows, rdb)
		ready(t, c)
		own := r.Clone()
		own.Key.Title = fmt.Sprint("of store ", i)
		change(t, c, func(tx store.Tx) error {
			return tx.Insert(context.Background(), own, store.Event{Kind: store.Created, At: time.Now()})
		})
		putInRedis(t, c, r)
		caches = append(caches, c)
	}
	for i, c := range caches {
		want(t, "title", title(t, c, r), fmt.Sprint("of store ", i))
	}
	rdb, _ := client(t, server.Addr())
	for key := range copyOf(t, rdb) {
		if !strings.HasPrefix(key, "latchkey:{") || strings.Count(key, "{") != 1 || strings.Count(key, "}") != 1 {
			t.Errorf("%s is outside the hash tag", key)
		}
	}
}

// restorable is a store whose content can be exchanged under the same feed id, as when a backup is
// played back.
type restorable struct {
	store.Store
	current atomic.Pointer[store.Store]
}

func (s *restorable) put(content store.Store) { s.current.Store(&content) }

const restorableFeed = "FEEDOFRESTORABLE"

func (s *restorable) Lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {
	found, err := (*s.current.Load()).Lookup(ctx, id, redacted)
	found.FeedID = restorableFeed
	return found, err
}

func (s *restorable) Feed(ctx context.Context, after int64, limit int) (store.Feed, error) {
	feed, err := (*s.current.Load()).Feed(ctx, after, limit)
	feed.ID = restorableFeed
	return feed, err
}

func (s *restorable) Change(ctx context.Context, actor store.Actor, fn func(store.Tx) error) (store.Change, error) {
	ch, err := (*s.current.Load()).Change(ctx, actor, fn)
	ch.FeedID = restorableFeed
	return ch, err
}

func TestStoreIsRestoredFromABackup(t *testing.T) {
	rdb, _ := client(t, servers.NewRedis(t).Addr())
	rows := &restorable{Store: store.NewMemory()}
	rows.put(store.NewMemory())
	o := cache.Options{Lease: brisk}
	c := open(t, o, rows, rdb)
	ready(t, c)
	r := someRecord(nil)
	insertInto := func(t *testing.T, s store.Store, r *store.Record) {
		t.Helper()
		change(t, s, func(tx store.Tx) error {
			return tx.Insert(context.Background(), r, store.Event{Kind: store.Created, At: time.Now()})
		})
	}
	insertInto(t, c, someRecord(nil))
	newer := r.Clone()
	newer.Key.Title = "after the backup"
	insertInto(t, c, newer)
	eventually(t, "Redis has the key", func() bool { title(t, c, r); return c.Stats().Fills > 0 })

	backup := store.NewMemory()
	insertInto(t, backup, r)
	rows.put(backup)
	caughtUp(t, backup, c)
	want(t, "title", title(t, c, r), "test")
	ready(t, c)
	d := open(t, o, rows, rdb)
	want(t, "D, at once", title(t, d, r), "test")
	ready(t, d)
	want(t, "D, from Redis", title(t, d, r), "test")
	retitle(t, c, r, "new")
	for _, s := range []*cache.Cache{c, d} {
		want(t, "title", title(t, s, r), "new")
	}
}

// The watermark of before a restore may fit the restored feed's numbers by the time Redis can be
// repaired. It must go all the same.
func TestWatermarkFromBeforeARestoreIsNotTrusted(t *testing.T) {
	ctx := context.Background()
	rdb, _ := client(t, servers.NewRedis(t).Addr())
	var refuse refusing
	rdb.AddHook(&refuse)
	rows := &restorable{Store: store.NewMemory()}
	rows.put(store.NewMemory())
	c := open(t, cache.Options{Lease: brisk}, rows, rdb)
	ready(t, c)
	r := someRecord(nil)
	newer := r.Clone()
	newer.Key.Title = "after the backup"
	for _, next := range []*store.Record{someRecord(nil), newer} {
		change(t, c, func(tx store.Tx) error {
			return tx.Insert(ctx, next, store.Event{Kind: store.Created, At: time.Now()})
		})
	}
	eventually(t, "Redis has the key", func() bool { title(t, c, r); return c.Stats().Fills > 0 })

	refuse.on.Store(true)
	backup := store.NewMemory()
	insert(t, backup, r)
	rows.put(backup)
	caughtUp(t, backup, c)
	insert(t, backup, someRecord(nil)) // the head is where the watermark is
	caughtUp(t, backup, c)
	refuse.on.Store(false)
	ready(t, c)
	d := open(t, cache.Options{Lease: brisk}, rows, rdb)
	ready(t, d)
	hits := d.Stats().Hits
	eventually(t, "D answers from memory", func() bool { want(t, "title", title(t, d, r), "test"); return d.Stats().Hits > hits || t.Failed() })
}

// refusing makes every command fail.
type refusing struct{ on atomic.Bool }

func (*refusing) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *refusing) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if h.on.Load() {
			err := errors.New("refused by the test")
			cmd.SetErr(err)
			return err
		}
		return next(ctx, cmd)
	}
}

func (*refusing) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// Found.Legacy is never cached, and neither is "unknown" for lookups that want candidates when
// there are none.
func TestLegacyCandidatesAreNotKept(t *testing.T) {
	ctx := context.Background()
	rows := &spy{Store: store.NewMemory()}
	rdb, _ := client(t, servers.Redis(t).Addr())
	c := open(t, cache.Options{Lease: quiet}, rows, rdb)
	old := unnamed(someRecord(nil))
	old.Key.Redacted, old.Evidence = "sk_abc***xyz", &store.Evidence{LegacySalt: "00", LegacyHash: make([]byte, 64)}
	insert(t, rows, old)
	ready(t, c)
	id := someRecord(nil).Key.LookupID
	for range 3 {
		found, err := c.Lookup(ctx, id, "")
		if err != nil || found.Record != nil || found.Legacy != nil {
			t.Errorf("not asked for: got %v, %v", found, err)
		}
	}
	want(t, "statements", rows.lookups.Load(), int64(1))
	for i := range 3 {
		found, err := c.Lookup(ctx, id, old.Key.Redacted)
		if err != nil || len(found.Legacy) != 1 {
			t.Errorf("asked for: got %v, %v", found, err)
		}
		want(t, "statements", rows.lookups.Load(), int64(2+i))
	}
}

// Every method respects its deadline: a load that hangs blocks no caller beyond its deadline, and
// the next caller still joins it.
func TestDeadlineOfTheFirstCaller(t *testing.T) {
	rows := &spy{Store: store.NewMemory()}
	c := open(t, cache.Options{Lease: quiet, StoreTimeout: time.Minute}, rows, nil)
	r := someRecord(nil)
	insert(t, rows, r)
	ready(t, c)
	release := make(chan struct{})
	rows.hooks(func(s *spy) { s.onLookup = func(context.Context) { <-release } })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := c.Lookup(ctx, r.Key.LookupID, "")
	wantUnavailable(t, err)
	want(t, "deadline", errors.Is(err, context.DeadlineExceeded), true)
	joined := make(chan string)
	go func() { joined <- title(t, c, r) }()
	close(release)
	want(t, "title", <-joined, "test")
	want(t, "statements", rows.lookups.Load(), int64(1))
}
