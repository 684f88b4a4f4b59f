package cache_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// family returns n caches over one store and one Redis, in full use, each with a client of its own.
func family(t *testing.T, n int, o cache.Options, server *servers.RedisServer) ([]*cache.Cache, store.Store, *redis.Client) {
	t.Helper()
	memory := store.NewMemory()
	var all []*cache.Cache
	var rdb *redis.Client
	for range n {
		rdb, _ = client(t, server.Addr())
		all = append(all, open(t, o, shielded{memory}, rdb))
	}
	ready(t, all...)
	return all, memory, rdb
}

// shielded prevents a closing cache from closing the store below.
type shielded struct{ store.Store }

func (shielded) Close(context.Context) error { return nil }

// aged is a lease so long that a test which has to wait for one never ends: what returns has been
// acknowledged.
const aged = time.Minute

// T18.
func TestAChangeReturnsWhenAllHaveAcknowledgedIt(t *testing.T) {
	all, memory, _ := family(t, 3, cache.Options{Lease: aged, Sealer: sealed(t)}, servers.Redis(t))
	r, stranger := someRecord(sealed(t)), someRecord(sealed(t))
	insert(t, memory, r)
	caughtUp := func() { // polls are 15 s apart: each cache learns of a change of its own
		for _, c := range all {
			change(t, c, func(tx store.Tx) error {
				return tx.Append(context.Background(), nil, store.Event{Kind: store.Imported, At: time.Now()})
			})
		}
	}
	caughtUp()
	titles := []string{"a", "b", "c", "d", "e"}
	for i, text := range titles {
		for _, c := range all {
			title(t, c, r)
			title(t, c, stranger)
		}
		retitle(t, all[i%len(all)], r, text)
		for n, c := range all {
			if got := title(t, c, r); got != text {
				t.Errorf("cache %d answers %q after %q had been confirmed", n, got, text)
			}
		}
	}
	change(t, all[0], func(tx store.Tx) error {
		return tx.Insert(context.Background(), stranger, store.Event{Kind: store.Created, At: time.Now()})
	})
	for n, c := range all {
		if got := title(t, c, stranger); got != "test" {
			t.Errorf("cache %d answers %q for a key that had been created", n, got)
		}
		want(t, "changes that had to wait", c.Stats().SlowChanges, uint64(0))
	}
	want(t, "changes", all[0].Stats().Changes, uint64(4))
	// A key that all of them have in memory, and that none of them looks up while it is changed,
	// costs the others one message each.
	want(t, "messages", all[0].Stats().Messages, uint64(5))
	want(t, "forged", all[0].Stats().Forged, uint64(0))
}

func sealed(t testing.TB) *store.Sealer {
	t.Helper()
	s, err := store.NewSealer([]string{"0123456789abcdefghijklmnopqrstuvwxyz"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMembers(t *testing.T) {
	ctx := context.Background()
	ids := func(t *testing.T, s store.Store) map[string]store.Member {
		t.Helper()
		members, err := s.Members(ctx)
		if err != nil {
			t.Fatal(err)
		}
		byID := map[string]store.Member{}
		for _, m := range members {
			byID[m.ID] = m
		}
		return byID
	}
	t.Run("a cache joins before it answers, and leaves when it is closed", func(t *testing.T) {
		all, memory, _ := family(t, 2, cache.Options{Lease: brisk}, servers.Redis(t))
		members := ids(t, memory)
		want(t, "members", len(members), 2)
		for _, m := range members {
			want(t, "Redis", m.Redis, true)
			want(t, "lease", m.Lease, brisk)
		}
		if err := all[0].Close(ctx); err != nil {
			t.Fatal(err)
		}
		want(t, "members", len(ids(t, memory)), 1)
	})
	t.Run("one that keeps records out of Redis says so", func(t *testing.T) {
		rdb, _ := client(t, servers.Redis(t).Addr())
		memory := store.NewMemory()
		ready(t, open(t, cache.Options{DisableRedisRecords: true}, memory, rdb))
		for _, m := range ids(t, memory) {
			want(t, "Redis", m.Redis, false)
		}
	})
	t.Run("a cache that cannot join is not fresh", func(t *testing.T) {
		rows := &hermit{Store: store.NewMemory()}
		rows.refuse(true)
		c := open(t, cache.Options{Lease: brisk}, rows, nil)
		eventually(t, "polls failed", func() bool { return c.Stats().PollErrors > 2 })
		want(t, "fresh", c.Stats().Fresh, false)
		want(t, "age", c.Stats().FeedAge, time.Duration(-1))
		rows.refuse(false)
		ready(t, c)
	})
	t.Run("a change waits for who is silent, and says who that is", func(t *testing.T) {
		var log lines
		memory := store.NewMemory()
		rdb, _ := client(t, servers.Redis(t).Addr())
		c := open(t, cache.Options{Lease: brisk, Logger: slog.New(slog.NewTextHandler(&log, nil))}, memory, rdb)
		ready(t, c)
		want(t, "join", memory.Join(ctx, store.Member{ID: "silent", Redis: true, Lease: brisk, TTL: time.Hour}), error(nil))
		r := someRecord(nil)
		insert(t, memory, r)
		retitle(t, c, r, "new")
		want(t, "slow changes", c.Stats().SlowChanges, uint64(1))
		want(t, "missing acknowledgements", c.Stats().MissingAcks, uint64(1))
		if !strings.Contains(log.String(), "silent") {
			t.Errorf("the log does not name the member:\n%s", log.String())
		}
		want(t, "leave", memory.Leave(ctx, "silent"), error(nil))
		retitle(t, c, r, "newer")
		want(t, "slow changes", c.Stats().SlowChanges, uint64(1))
	})
	t.Run("one whose row has lapsed is not waited for", func(t *testing.T) {
		all, memory, _ := family(t, 1, cache.Options{Lease: aged}, servers.Redis(t))
		want(t, "join", memory.Join(ctx, store.Member{ID: "gone", Lease: aged, TTL: time.Millisecond}), error(nil))
		eventually(t, "lapsed", func() bool { return len(ids(t, memory)) == 1 })
		change(t, all[0], func(tx store.Tx) error {
			return tx.Append(ctx, nil, store.Event{Kind: store.Imported, At: time.Now()})
		})
		want(t, "slow changes", all[0].Stats().SlowChanges, uint64(0))
	})
	t.Run("without Redis two processes acknowledge in their rows", func(t *testing.T) {
		memory := store.NewMemory()
		a := open(t, cache.Options{}, shielded{memory}, nil)
		ready(t, a)
		r := someRecord(nil)
		insert(t, memory, r)
		retitle(t, a, r, "new")
		want(t, "title", title(t, a, r), "new")
		want(t, "slow changes", a.Stats().SlowChanges, uint64(0))
		b := open(t, cache.Options{}, shielded{memory}, nil)
		ready(t, b)
		want(t, "title", title(t, b, r), "new")
		retitle(t, a, r, "newer")
		want(t, "B's title", title(t, b, r), "newer")
		want(t, "slow changes", a.Stats().SlowChanges, uint64(0))
	})
}

// hermit is a store that can refuse members.
type hermit struct {
	store.Store
	mu  sync.Mutex
	off bool
}

func (h *hermit) refuse(off bool) { h.mu.Lock(); defer h.mu.Unlock(); h.off = off }

func (h *hermit) Join(ctx context.Context, m store.Member) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.off {
		return store.ErrUnavailable
	}
	return h.Store.Join(ctx, m)
}

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }
func (l *lines) String() string              { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// T9: the connection that messages come by is lost, at any moment.
func TestLostEarsCostTimeOnly(t *testing.T) {
	ctx := context.Background()
	all, memory, rdb := family(t, 2, cache.Options{Lease: brisk}, servers.NewRedis(t))
	a, b := all[0], all[1]
	r := someRecord(nil)
	insert(t, memory, r)
	var l latest
	for range 10 {
		if err := rdb.ClientKillByFilter(ctx, "TYPE", "pubsub").Err(); err != nil {
			t.Fatal(err)
		}
		l.change(t, a, r)
		l.read(t, "A", a, r)
		l.read(t, "B", b, r)
	}
	eventually(t, "changes are quick again", func() bool {
		before := a.Stats().SlowChanges
		l.change(t, a, r)
		l.read(t, "B", b, r)
		return a.Stats().SlowChanges == before
	})
}

func TestForgedMessages(t *testing.T) {
	ctx := context.Background()
	publish := func(t *testing.T, rdb *redis.Client, message string) {
		t.Helper()
		channels, err := rdb.PubSubChannels(ctx, "*:changes").Result()
		if err != nil || len(channels) == 0 {
			t.Fatal(channels, err)
		}
		for _, channel := range channels {
			if err := rdb.Publish(ctx, channel, message).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	// version 1, a change, from "x", serial 0, first event 0, last event 1 000 000, revealing 0, no
	// drop, no keys
	const farAhead = "\x01c\x01x\x00\x00\xc0\x84\x3d\x00\x00\x00"
	t.Run("with peppers, what others write is counted and does nothing", func(t *testing.T) {
		all, _, rdb := family(t, 1, cache.Options{Lease: brisk, Sealer: sealed(t)}, servers.NewRedis(t))
		for _, message := range []string{"", "x", farAhead, farAhead + strings.Repeat("m", 32)} {
			publish(t, rdb, message)
		}
		eventually(t, "two of them are forgeries, two no messages", func() bool { return all[0].Stats().Forged == 2 })
		want(t, "messages", all[0].Stats().Messages, uint64(0))
		want(t, "head", all[0].Stats().Head, int64(0))
	})
	t.Run("without peppers, a number that no event has is forgotten by the next poll", func(t *testing.T) {
		all, memory, rdb := family(t, 1, cache.Options{Lease: brisk}, servers.NewRedis(t))
		c := all[0]
		r := someRecord(nil)
		insert(t, memory, r)
		caughtUp(t, memory, c)
		publish(t, rdb, farAhead)
		eventually(t, "heard", func() bool { return c.Stats().Messages == 1 })
		eventually(t, "forgotten", func() bool { return c.Stats().Head == 1 })
		putInRedis(t, c, r)
		hits := c.Stats().Hits
		title(t, c, r)
		want(t, "hits", c.Stats().Hits, hits+1)
	})
}

func TestChangesOnly(t *testing.T) {
	ctx := context.Background()
	all, memory, rdb := family(t, 2, cache.Options{Lease: aged}, servers.Redis(t))
	rows := &spy{Store: shielded{memory}}
	tool := open(t, cache.Options{Lease: aged, ChangesOnly: true}, rows, rdb)
	r := someRecord(nil)
	change(t, tool, func(tx store.Tx) error {
		return tx.Insert(ctx, r, store.Event{Kind: store.Created, At: time.Now()})
	})
	for _, c := range all {
		want(t, "title", title(t, c, r), "test")
	}
	retitle(t, tool, r, "new")
	for _, c := range all {
		want(t, "title", title(t, c, r), "new")
	}
	want(t, "changes that had to wait", tool.Stats().SlowChanges, uint64(0))
	members, err := memory.Members(ctx)
	want(t, "error", err, error(nil))
	want(t, "members", len(members), 2)
	for n := range 3 {
		want(t, "title", title(t, tool, r), "new")
		want(t, "statements", rows.lookups.Load(), int64(n+1))
	}
	retitle(t, all[0], r, "newer")
	want(t, "changes that had to wait", all[0].Stats().SlowChanges, uint64(0))
}

func TestChangerWithoutRedis(t *testing.T) {
	ctx := context.Background()
	all, memory, _ := family(t, 1, cache.Options{Lease: brisk}, servers.Redis(t))
	r := someRecord(nil)
	insert(t, memory, r)
	want(t, "title", title(t, all[0], r), "test")
	t.Run("is refused where instances use Redis, and has written nothing", func(t *testing.T) {
		tool := open(t, cache.Options{Lease: brisk, ChangesOnly: true}, shielded{memory}, nil)
		_, err := tool.Change(ctx, store.Actor{}, retitling(r, "new"))
		if !errors.Is(err, cache.ErrNeedsRedis) {
			t.Errorf("got %v", err)
		}
		got, err := memory.Get(ctx, r.Key.ID)
		if err != nil || got.Key.Title != "test" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("waits when told to go on", func(t *testing.T) {
		tool := open(t, cache.Options{Lease: brisk, ChangesOnly: true, ChangeWithoutRedis: true}, shielded{memory}, nil)
		retitle(t, tool, r, "new")
		want(t, "title", title(t, all[0], r), "new")
		want(t, "slow changes", tool.Stats().SlowChanges, uint64(1))
	})
	t.Run("says so when it cannot know", func(t *testing.T) {
		rows := &spy{Store: shielded{memory}}
		tool := open(t, cache.Options{Lease: brisk, ChangesOnly: true}, hidden{rows}, nil)
		_, err := tool.Change(ctx, store.Actor{}, retitling(r, "newer"))
		wantUnavailable(t, err)
		want(t, "changes", rows.changes.Load(), int64(0))
	})
}

// hidden is a store whose members cannot be read.
type hidden struct{ store.Store }

func (hidden) Members(context.Context) ([]store.Member, error) {
	return nil, store.ErrUnavailable
}
