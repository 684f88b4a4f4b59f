package cache_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest"
)

// quiet is a lease that is long enough for counting: no poll between two lookups of a test, however
// slow the machine.
const quiet = 20 * time.Second

// spy counts the statements of the store below and can fail, delay and hold them.
type spy struct {
	store.Store
	lookups, feeds, changes, members atomic.Int64
	down                             atomic.Bool
	feedDown                         atomic.Bool
	replaced                         atomic.Bool

	mu       sync.Mutex
	onLookup func(context.Context) // runs before the store is read
	onFound  func(store.Found)     // runs after, before the answer is returned
	onFeed   func()
	alter    func(*store.Found)
}

func (s *spy) hooks(set func(s *spy)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set(s)
}

func (s *spy) Lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {
	s.lookups.Add(1)
	s.mu.Lock()
	before, after, alter := s.onLookup, s.onFound, s.alter
	s.mu.Unlock()
	if before != nil {
		before(ctx)
	}
	if s.down.Load() || s.replaced.Load() {
		return store.Found{}, fmt.Errorf("spy: %w", store.ErrUnavailable)
	}
	found, err := s.Store.Lookup(ctx, id, redacted)
	if alter != nil && err == nil {
		alter(&found)
	}
	if after != nil {
		after(found)
	}
	return found, err
}

func (s *spy) Feed(ctx context.Context, after int64, limit int) (store.Feed, error) {
	s.feeds.Add(1)
	s.mu.Lock()
	hook := s.onFeed
	s.mu.Unlock()
	if hook != nil {
		hook()
	}
	if s.down.Load() || s.feedDown.Load() {
		return store.Feed{}, fmt.Errorf("spy: %w", store.ErrUnavailable)
	}
	if s.replaced.Load() {
		return store.Feed{}, fmt.Errorf("spy: %w: %w", store.ErrUnavailable, store.ErrReplaced)
	}
	return s.Store.Feed(ctx, after, limit)
}

func (s *spy) Change(ctx context.Context, actor store.Actor, fn func(store.Tx) error) (store.Change, error) {
	s.changes.Add(1)
	if s.down.Load() {
		return store.Change{}, fmt.Errorf("spy: %w", store.ErrUnavailable)
	}
	return s.Store.Change(ctx, actor, fn)
}

func (s *spy) Members(ctx context.Context) ([]store.Member, error) {
	s.members.Add(1)
	return s.Store.Members(ctx)
}

// commands counts what a Redis client sends.
type commands struct {
	mu   sync.Mutex
	sent map[string]int
}

func (c *commands) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *commands) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.mu.Lock()
		c.sent[cmd.Name()]++
		c.mu.Unlock()
		return next(ctx, cmd)
	}
}

func (c *commands) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next // connection set-up only
}

func (c *commands) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, sent := range c.sent {
		n += sent
	}
	return n
}

func (c *commands) of(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent[name]
}

// client returns a client of the server as users should build it, and what it sends.
func client(t testing.TB, addr string) (*redis.Client, *commands) {
	t.Helper()
	o := &redis.UniversalOptions{Addrs: []string{addr}}
	cache.RecommendedRedisOptions(o)
	rdb := redis.NewClient(o.Simple())
	t.Cleanup(func() { _ = rdb.Close() })
	sent := &commands{sent: map[string]int{}}
	rdb.AddHook(sent)
	return rdb, sent
}

// silent is for tests that provoke warnings.
var silent = slog.New(slog.DiscardHandler)

// open returns a cache that closes with the test.
func open(t testing.TB, o cache.Options, rows store.Store, rdb redis.UniversalClient) *cache.Cache {
	t.Helper()
	if o.Logger == nil {
		o.Logger = silent
	}
	c, err := o.New(rows, rdb)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// ready waits until the cache is in full use.
func ready(t testing.TB, caches ...*cache.Cache) {
	t.Helper()
	for _, c := range caches {
		eventually(t, "cache is ready", func() bool { s := c.Stats(); return s.Fresh && (!s.Redis || s.RedisReady && s.Listening) })
	}
}

// caughtUp waits until polls that began after now have been completed, with everything that rows
// holds.
func caughtUp(t testing.TB, rows store.Store, caches ...*cache.Cache) {
	t.Helper()
	feed, err := rows.Feed(context.Background(), 1<<52, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range caches {
		completed := func() uint64 { s := c.Stats(); return s.Polls - s.PollErrors }
		least := completed() + 2 // the next to end may have begun before
		eventually(t, "caught up with the feed", func() bool {
			s := c.Stats()
			return completed() >= least && s.Head == feed.Head && s.Fresh
		})
	}
}

// putInRedis looks the key up until Redis has its record: a fill is best effort, and on a busy
// machine one may be lost. Each new try appends an event, which takes the record out of the
// process's memory.
func putInRedis(t testing.TB, c *cache.Cache, r *store.Record) {
	t.Helper()
	fills := func() uint64 { s := c.Stats(); return s.Fills + s.FillsLost }
	eventually(t, "Redis has the record", func() bool {
		before, tried := c.Stats().Fills, fills()
		title(t, c, r)
		for i := 0; i < 200 && fills() == tried; i++ {
			time.Sleep(time.Millisecond)
		}
		if c.Stats().Fills > before {
			return true
		}
		change(t, c, func(tx store.Tx) error {
			return tx.Append(context.Background(), r, store.Event{Kind: store.Updated, At: time.Now()})
		})
		return false
	})
}

// eventually fails the test when ok does not come true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

// goroutines returns how many there are: the least of some readings. While a collection frees the
// stacks of goroutines that have ended, the runtime counts these too, thousands after a test with
// as many.
func goroutines() int {
	least := runtime.NumGoroutine()
	for range 5 {
		time.Sleep(time.Millisecond)
		least = min(least, runtime.NumGoroutine())
	}
	return least
}

var serial atomic.Uint64

// someRecord returns a new key's record, sealed.
func someRecord(sealer *store.Sealer) *store.Record {
	n := serial.Add(1)
	r := &store.Record{Key: store.Key{
		ID: fmt.Sprintf("apk_%026d", n), Type: store.Secret, Title: "test", Version: 1,
		LookupID: store.LookupID{1, byte(n >> 16), byte(n >> 8), byte(n)}, CreatedAt: store.TimeOf(time.UnixMilli(1_700_000_000_000)),
	}}
	sealer.Seal(r)
	return r
}

// inName is how the names of Redis hold a lookup id.
func inName(id store.LookupID) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// insert adds a key behind the back of every cache.
func insert(t testing.TB, rows store.Store, r *store.Record) {
	t.Helper()
	change(t, rows, func(tx store.Tx) error {
		return tx.Insert(context.Background(), r, store.Event{Kind: store.Created, At: time.Now()})
	})
}

// retitle changes a key, and expects success.
func retitle(t testing.TB, s store.Store, r *store.Record, title string) {
	t.Helper()
	change(t, s, retitling(r, title))
}

func retitling(r *store.Record, title string) func(store.Tx) error {
	return func(tx store.Tx) error {
		next := r.Clone()
		next.Key.Title = title
		return tx.Update(context.Background(), next, store.Event{Kind: store.Updated, At: time.Now()})
	}
}

func change(t testing.TB, s store.Store, fn func(store.Tx) error) {
	t.Helper()
	if _, err := s.Change(context.Background(), store.Actor{ID: "test"}, fn); err != nil {
		t.Errorf("change: %v", err)
	}
}

// title looks a key up and returns its title; "" when it is not known.
func title(t testing.TB, s store.Store, r *store.Record) string {
	t.Helper()
	found, err := s.Lookup(context.Background(), r.Key.LookupID, "")
	if err != nil {
		t.Errorf("lookup: %v", err)
		return "error"
	}
	if found.Record == nil {
		return ""
	}
	return found.Record.Key.Title
}

func want(t testing.TB, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func wantUnavailable(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnauthenticated) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

// addrOfNothing returns an address where connections are refused.
func addrOfNothing(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// filled returns a record with a value in every field that is cached.
func filled(t testing.TB) *store.Record {
	t.Helper()
	r := &store.Record{}
	storetest.Fill(t.(*testing.T), r)
	r.Key.LastUsedAt, r.Key.Description = store.Time{}, ""
	r.Evidence.ProofNames = []string{"created_by"} // a program drops names that it does not know
	return r
}

func sameRecord(t testing.TB, got, want *store.Record) {
	t.Helper()
	if !reflect.DeepEqual(got.Clone(), want.Clone()) {
		t.Errorf("got  %+v\nwant %+v", got.Key, want.Key)
	}
}
