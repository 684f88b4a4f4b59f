package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/middleware/ratelimit"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// back waits until requests are counted in Redis again.
func (l *limiter) back(t *testing.T) {
	t.Helper()
	eventually(t, "Redis is in use again", func() bool {
		before := l.Stats().Counted
		l.take("probe", store.RateLimit{Requests: 1000, Window: time.Second})
		return l.Stats().Counted > before
	})
}

func TestRedisThatIsKilledAndComesBack(t *testing.T) {
	server := servers.NewRedis(t)
	a, _ := client(t, server.Addr(), patient) // a server that is gone refuses at once
	b, _ := client(t, server.Addr(), patient)
	one, other := newLimiter(t, ratelimit.Options{Timeout: patient}, a), newLimiter(t, ratelimit.Options{Timeout: patient}, b)
	if n := one.allowed("before", threeIn3h, 5); n != 3 {
		t.Fatalf("%d requests were allowed, want 3", n)
	}
	server.Kill()
	for name, l := range map[string]*limiter{"one instance": one, "the other": other} { // each counts by itself
		if n := l.allowed("k", threeIn3h, 50); n != 3 {
			t.Errorf("%s: %d requests were allowed without Redis, want 3", name, n)
		}
		if s := l.Stats(); s.Redis || s.Fallback == 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	server.Restart()
	one.back(t)
	other.back(t)
	if n := one.allowed("after", threeIn3h, 2) + other.allowed("after", threeIn3h, 3); n != 3 {
		t.Errorf("%d requests were allowed together after the restart, want 3", n)
	}
	if s := one.Stats(); !s.Redis {
		t.Errorf("%+v", s)
	}
}

func TestRedisThatHangs(t *testing.T) {
	server := servers.NewRedis(t)
	proxy := servers.Proxy(t, server.Addr())
	rdb, sent := client(t, proxy.Addr(), 100*time.Millisecond)
	l := newLimiter(t, ratelimit.Options{Timeout: 20 * time.Millisecond}, rdb)
	l.back(t)
	proxy.Hang()
	var wg sync.WaitGroup
	var allowed atomic.Int64
	for range 50 {
		wg.Go(func() { allowed.Add(int64(l.allowed("k", threeIn3h, 100))) })
	}
	wg.Wait()
	if n := allowed.Load(); n != 3 {
		t.Errorf("%d of 5000 requests were allowed, want 3", n)
	}
	if l.Stats().Redis {
		t.Error("after 5000 requests, Redis is still waited for")
	}
	sent.take()
	before := l.Stats()
	if n := l.allowed("k", threeIn3h, 10_000); n != 0 {
		t.Errorf("%d more were allowed", n)
	}
	// Only the tries that come once in a pause go to Redis, and none of the requests waits for
	// them.
	after := l.Stats()
	if tried := after.Errors - before.Errors; after.Fallback-before.Fallback != 10_000 || tried > 100 {
		t.Errorf("10000 requests, Redis gave up: %d counted here, %d tries", after.Fallback-before.Fallback, tried)
	}
	proxy.Heal()
	l.back(t)
	eventually(t, "no goroutine is left behind", func() bool {
		stacks := make([]byte, 1<<20)
		return !strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "ratelimit.(*Limiter)")
	})
}

// TestTheWaitForRedis is about time, which stands still here until everybody waits.
func TestTheWaitForRedis(t *testing.T) {
	once := store.RateLimit{Requests: 1, Window: 365 * 24 * time.Hour}
	const budget = 30 * time.Millisecond
	// waited returns how long a request took.
	waited := func(t *testing.T, l *limiter) time.Duration {
		t.Helper()
		began := time.Now()
		l.take("k", once)
		return time.Since(began)
	}
	open := func(t *testing.T, f ratelimit.CounterFunc) *limiter {
		t.Helper()
		l, err := ratelimit.Options{Timeout: budget, Logger: quiet()}.NewOver(f)
		if err != nil {
			t.Fatal(err)
		}
		return &limiter{t, l}
	}

	t.Run("is bounded, even if the client ignores its context, and ends when Redis is given up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int64
			stuck := make(chan struct{})
			l := open(t, func(context.Context) (time.Duration, error) {
				calls.Add(1)
				<-stuck
				return 0, errors.New("too late")
			})
			for i := range 8 {
				if d := waited(t, l); d != budget {
					t.Errorf("request %d waited %s, want %s", i, d, budget)
				}
			}
			for range 1000 {
				if d := waited(t, l); d != 0 {
					t.Fatalf("after that a request waited %s", d)
				}
			}
			if n := calls.Load(); n != 8 {
				t.Errorf("%d calls, want 8", n)
			}
			for i := range 10 { // one try in each pause, and nobody waits for it
				time.Sleep(200 * time.Millisecond)
				for range 10 {
					if d := waited(t, l); d != 0 {
						t.Errorf("the try made a request wait %s", d)
					}
				}
				synctest.Wait()
				if n := calls.Load(); n != int64(9+i) {
					t.Errorf("%d calls, want %d", n, 9+i)
				}
			}
			close(stuck)
			time.Sleep(budget)
		})
	})
	t.Run("is for an answer, not for its absence: a Redis that is back is used at the next try", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var down atomic.Bool
			down.Store(true)
			l := open(t, func(context.Context) (time.Duration, error) {
				if down.Load() {
					return 0, errors.New("connection refused")
				}
				time.Sleep(time.Millisecond)
				return 0, nil
			})
			for range 20 {
				l.take("k", once)
			}
			down.Store(false)
			if l.take("k", once); l.Stats().Redis {
				t.Error("tried before the pause was over")
			}
			time.Sleep(200 * time.Millisecond)
			ctx, cancel := context.WithCancel(t.Context())
			if _, err := l.Take(ctx, "k", once); err != nil {
				t.Error(err)
			}
			cancel() // the request is over before the try is
			time.Sleep(time.Millisecond)
			synctest.Wait()
			if s := l.Stats(); !s.Redis || s.Counted != 0 {
				t.Errorf("%+v", s)
			}
			if l.take("k", once); l.Stats().Counted != 1 {
				t.Errorf("%+v", l.Stats())
			}
		})
	})
	t.Run("ends with the caller, whose absence says nothing about Redis", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := open(t, func(ctx context.Context) (time.Duration, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			})
			for range 20 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				if d, err := l.Take(ctx, "k", once); d.Allowed || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%+v, %v", d, err)
				}
				cancel()
			}
			if s := l.Stats(); !s.Redis || s.Errors != 0 {
				t.Errorf("%+v", s)
			}
			time.Sleep(budget)
		})
	})
	t.Run("a few failures among many answers do not give Redis up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var n atomic.Int64
			l := open(t, func(context.Context) (time.Duration, error) {
				if n.Add(1)%3 == 0 {
					return 0, errors.New("one node of three is out")
				}
				return 0, nil
			})
			for range 300 {
				l.take("k", once)
			}
			if s := l.Stats(); !s.Redis || s.Errors != 100 || s.Counted != 200 || s.Fallback != 100 {
				t.Errorf("%+v", s)
			}
		})
	})
	t.Run("old failures are forgotten", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var n atomic.Int64
			l := open(t, func(context.Context) (time.Duration, error) {
				if n.Add(1)%5 > 0 {
					return 0, errors.New("four calls of five")
				}
				return 0, nil
			})
			for range 99 {
				l.take("k", once)
				time.Sleep(500 * time.Millisecond)
			}
			if s := l.Stats(); !s.Redis || s.Errors != 80 {
				t.Errorf("%+v", s)
			}
		})
	})
	t.Run("calls that nobody waits for are bounded", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var running atomic.Int64
			stuck := make(chan struct{})
			l := open(t, func(context.Context) (time.Duration, error) {
				running.Add(1)
				<-stuck
				return 0, nil
			})
			var wg sync.WaitGroup
			for range 2000 {
				wg.Go(func() { l.take("k", once) })
			}
			wg.Wait()
			if n := running.Load(); n != ratelimit.MaxCalls {
				t.Errorf("%d calls are under way, want %d", n, ratelimit.MaxCalls)
			}
			close(stuck)
			synctest.Wait()
		})
	})
	t.Run("the log says once that Redis is given up, and once that it is back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var down atomic.Bool
			var log strings.Builder
			l, err := ratelimit.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}.NewOver(func(context.Context) (time.Duration, error) {
				if down.Load() {
					return 0, errors.New("connection refused")
				}
				return 0, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, now := range []bool{false, true, false} {
				down.Store(now)
				for range 30 {
					if _, err := l.Take(t.Context(), "k", once); err != nil {
						t.Fatal(err)
					}
					time.Sleep(50 * time.Millisecond)
				}
			}
			synctest.Wait()
			if said := log.String(); strings.Count(said, "\n") != 2 || strings.Count(said, "level=WARN") != 1 || !strings.Contains(said, "connection refused") || strings.Count(said, "level=INFO") != 1 {
				t.Errorf("%s", said)
			}
		})
	})
}

// TestInstancesBehindGuards goes the whole way: two instances of a program with one database and
// one Redis.
func TestInstancesBehindGuards(t *testing.T) {
	server := servers.NewRedis(t)
	rows := store.NewMemory()
	keys := store.New(rows)
	made, err := keys.Create(t.Context(), store.NewKey{Type: store.Secret, RateLimit: threeIn3h})
	if err != nil {
		t.Fatal(err)
	}
	free, err := keys.Create(t.Context(), store.NewKey{Type: store.Secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := keys.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	var instances []http.Handler
	var sent []*commands
	for range 2 {
		rdb, c := client(t, server.Addr(), patient)
		limiter := newLimiter(t, ratelimit.Options{Timeout: patient}, rdb)
		guard := keyauth.Config{Keys: keys, Limiter: limiter, Logger: quiet()}
		instances = append(instances, keyauth.WithConfig(guard)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
		sent = append(sent, c)
	}
	ask := func(h http.Handler, token store.Token) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-Api-Key", token.Reveal())
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for i, want := range []int{200, 200, 200, 429, 429} {
		got := ask(instances[i%2], made.Token)
		if got.Code != want || got.Header().Get("RateLimit-Policy") != `"secret-key";q=3;w=10800` {
			t.Errorf("request %d: %d %v", i, got.Code, got.Header())
		}
		if retry, err := strconv.Atoi(got.Header().Get("Retry-After")); want == 429 && (err != nil || retry < 3500 || retry > 3600) {
			t.Errorf("request %d: Retry-After %d, %v", i, retry, err)
		}
	}
	for _, c := range sent {
		c.take()
	}
	for range 10 {
		if got := ask(instances[0], free.Token); got.Code != 200 {
			t.Errorf("a key without limit: %d", got.Code)
		}
	}
	if got := sent[0].take(); len(got) != 0 {
		t.Errorf("keys without limit cost %v", got)
	}
	server.Kill()
	for i, want := range []int{200, 200, 200, 429, 429} {
		if got := ask(instances[0], made.Token); got.Code != want {
			t.Errorf("without Redis, request %d: %d, want %d", i, got.Code, want)
		}
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]ratelimit.Options{
		"a negative Timeout":   {Timeout: -1},
		"a Timeout of nothing": {Timeout: time.Microsecond},
		"a prefix with spaces": {KeyPrefix: "a b"},
		"a prefix with braces": {KeyPrefix: "{a}"},
		"a long prefix":        {KeyPrefix: strings.Repeat("a", 65)},
	} {
		if l, err := o.New(nil); !errors.Is(err, store.ErrInvalid) || l != nil {
			t.Errorf("%s: %v, %v", name, l, err)
		}
	}
	var unset *redis.Client
	for name, rdb := range map[string]redis.UniversalClient{"no Redis": nil, "a client that was never made": unset} {
		l := ratelimit.New(rdb)
		allowed := 0
		for range 5 {
			d, err := l.Take(t.Context(), "k", threeIn3h)
			if err != nil {
				t.Fatal(err)
			}
			if d.Allowed {
				allowed++
			}
		}
		if s := l.Stats(); allowed != 3 || s != (ratelimit.Stats{}) {
			t.Errorf("%s: %d requests were allowed, want 3; %s", name, allowed, fmt.Sprintf("%+v", s))
		}
	}
}
