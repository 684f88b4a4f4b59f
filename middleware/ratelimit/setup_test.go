package ratelimit_test

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/middleware/ratelimit"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(servers.Main(m)) }

var _ keyauth.Limiter = (*ratelimit.Limiter)(nil)

// patient is for tests that are not about time: whatever the machine is doing, Redis is waited for.
const patient = 20 * time.Second

// threeIn3h gives one request back every hour, so that no test is slow enough to see it.
var threeIn3h = store.RateLimit{Requests: 3, Window: 3 * time.Hour}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

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

// take returns what was sent since the last call.
func (c *commands) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent := c.sent
	c.sent = map[string]int{}
	return sent
}

// client returns a client as users should build it (cache.RecommendedRedisOptions), with a read
// timeout of its own, and what it sends.
func client(t testing.TB, addr string, timeout time.Duration) (*redis.Client, *commands) {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: addr, ReadTimeout: timeout, WriteTimeout: timeout, PoolTimeout: timeout, MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = rdb.Close() })
	sent := &commands{sent: map[string]int{}}
	rdb.AddHook(sent)
	return rdb, sent
}

// limiter is a Limiter in a test.
type limiter struct {
	testing.TB
	*ratelimit.Limiter
}

func newLimiter(t testing.TB, o ratelimit.Options, rdb redis.UniversalClient) *limiter {
	t.Helper()
	if o.Logger == nil {
		o.Logger = quiet()
	}
	l, err := o.New(rdb)
	if err != nil {
		t.Fatal(err)
	}
	return &limiter{t, l}
}

func (l *limiter) take(id string, limit store.RateLimit) store.Decision {
	l.Helper()
	d, err := l.Take(l.Context(), id, limit)
	if err != nil {
		l.Fatal(err)
	}
	return d
}

// allowed takes n and returns how many of them were.
func (l *limiter) allowed(id string, limit store.RateLimit, n int) int {
	l.Helper()
	allowed := 0
	for range n {
		if l.take(id, limit).Allowed {
			allowed++
		}
	}
	return allowed
}

// redisKey is where Redis counts for the key by default.
func redisKey(id string) string { return "latchkey:rate:" + id }

// pass makes time pass for one key: what Redis has is moved into the past.
func pass(t *testing.T, rdb *redis.Client, id string, d time.Duration) {
	t.Helper()
	free, err := rdb.Get(t.Context(), redisKey(id)).Int64()
	if err != nil {
		t.Fatal(err)
	}
	if err := rdb.Set(t.Context(), redisKey(id), strconv.FormatInt(free-d.Microseconds(), 10), redis.KeepTTL).Err(); err != nil {
		t.Fatal(err)
	}
}

// eventually polls.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen: %s", what)
		}
	}
}
