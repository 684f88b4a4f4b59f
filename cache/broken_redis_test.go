package cache_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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

// sluggish delays every command of a client.
type sluggish struct{ by atomic.Int64 }

func (*sluggish) DialHook(next redis.DialHook) redis.DialHook { return next }

func (s *sluggish) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		time.Sleep(time.Duration(s.by.Load()))
		return next(ctx, cmd)
	}
}

func (*sluggish) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// Whatever Redis does, keys are let in and strangers are not, each after one statement, no request
// waits for Redis longer than its budget (with a server that never answers, any wait for it would
// be for ever), and nothing piles up.
func TestRequirement12ABrokenRedisOnlyCostsStatements(t *testing.T) {
	ctx := context.Background()
	const crowd, strangers = 200, 50
	for _, fault := range []struct {
		name string
		do   func(t *testing.T, proxy *servers.TCPProxy, slow *sluggish, rdb *redis.Client)
	}{
		{"is down", func(t *testing.T, proxy *servers.TCPProxy, _ *sluggish, _ *redis.Client) { proxy.Cut() }},
		{"hangs", func(t *testing.T, proxy *servers.TCPProxy, _ *sluggish, _ *redis.Client) { proxy.Hang() }},
		{"is slow", func(t *testing.T, _ *servers.TCPProxy, slow *sluggish, _ *redis.Client) {
			slow.by.Store(int64(5 * time.Millisecond))
		}},
		{"is slower than its budget", func(t *testing.T, _ *servers.TCPProxy, slow *sluggish, _ *redis.Client) {
			slow.by.Store(int64(200 * time.Millisecond))
		}},
		{"has nonsense in every entry", func(t *testing.T, _ *servers.TCPProxy, _ *sluggish, rdb *redis.Client) {
			corrupt(t, rdb, ":e:", func(key, value string) error { return rdb.Set(ctx, key, strings.Repeat("\xff|", 4000), 0).Err() })
		}},
		{"has entries cut short", func(t *testing.T, _ *servers.TCPProxy, _ *sluggish, rdb *redis.Client) {
			corrupt(t, rdb, ":e:", func(key, value string) error { return rdb.Set(ctx, key, value[:len(value)/2], 0).Err() })
		}},
		{"has lists where entries were", func(t *testing.T, _ *servers.TCPProxy, _ *sluggish, rdb *redis.Client) {
			corrupt(t, rdb, ":e:", func(key, _ string) error { return errors.Join(rdb.Del(ctx, key).Err(), rdb.LPush(ctx, key, "x").Err()) })
		}},
		{"has nonsense in its watermark", func(t *testing.T, _ *servers.TCPProxy, _ *sluggish, rdb *redis.Client) {
			corrupt(t, rdb, ":wm", func(key, _ string) error { return rdb.Set(ctx, key, "\x00::9e99", 0).Err() })
		}},
		{"has a list where the watermark was", func(t *testing.T, _ *servers.TCPProxy, _ *sluggish, rdb *redis.Client) {
			corrupt(t, rdb, ":wm", func(key, _ string) error { return errors.Join(rdb.Del(ctx, key).Err(), rdb.LPush(ctx, key, "x").Err()) })
		}},
	} {
		t.Run("Redis "+fault.name, func(t *testing.T) {
			server := servers.NewRedis(t)
			memory := store.NewMemory()
			filler, _ := client(t, server.Addr())
			sealer := sealed(t)
			first := open(t, cache.Options{Lease: brisk, Sealer: sealer}, shielded{memory}, filler)
			ready(t, first)
			makers := keysOver(t, first, sealer)
			made, err := makers.CreateMany(ctx, newKeys(crowd))
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "Redis has keys", func() bool {
				for _, m := range made {
					_, _ = makers.Authenticate(ctx, m.Token.Reveal())
				}
				return first.Stats().Fills > crowd/2
			})
			proxy, slow := servers.Proxy(t, server.Addr()), &sluggish{}
			rdb := redis.NewClient(&redis.Options{Addr: proxy.Addr(), ReadTimeout: -1, WriteTimeout: -1, MaxRetries: -1, PoolSize: 1000, MaxIdleConns: 1, PoolTimeout: time.Hour})
			t.Cleanup(func() { _ = rdb.Close() })
			rdb.AddHook(slow)
			rows := &spy{Store: shielded{memory}}
			c := open(t, cache.Options{Lease: 10 * brisk, RedisTimeout: 20 * time.Millisecond, Sealer: sealer}, rows, rdb)
			ready(t, c)
			keys := keysOver(t, c, sealer)
			before, most := goroutines(), 0
			fault.do(t, proxy, slow, filler)
			for range 3 { // from the second time on, they are remembered
				var all sync.WaitGroup
				var peak atomic.Int64
				for _, m := range made {
					all.Go(func() {
						ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
						defer cancel()
						if _, err := keys.Authenticate(ctx, m.Token.Reveal()); err != nil {
							t.Errorf("a good key: %v", err)
						}
						peak.Store(max(peak.Load(), int64(goroutines())))
					})
				}
				for i := range strangers {
					all.Go(func() {
						ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
						defer cancel()
						if _, err := keys.Authenticate(ctx, fmt.Sprintf("sk_%064x", i)); !errors.Is(err, store.ErrUnknownToken) {
							t.Errorf("a stranger: %v", err)
						}
					})
				}
				all.Wait()
				most = max(most, int(peak.Load())-before)
			}
			// A lookup during a change of epoch may read the store once more; without memory it
			// would read it three times as often.
			if n := rows.lookups.Load(); n > crowd+strangers+20 {
				t.Errorf("%d statements for %d tokens", n, crowd+strangers)
			}
			// 256 + 4 calls are on their way at most, each with its connection's goroutines in the
			// proxy.
			if most > crowd+strangers+4*260 {
				t.Errorf("%d goroutines more than before", most)
			}
			proxy.Heal() // what hung ends; goleak sees to it that it has
			slow.by.Store(0)
		})
	}
}

// A server that answers everything with nonsense is a broken Redis too.
func TestRequirement12AServerThatIsNoRedis(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer conn.Close()
				b := make([]byte, 4096)
				for i := 0; ; i++ {
					if _, err := conn.Read(b); err != nil {
						return
					}
					nonsense := []string{"HTTP/1.1 400 Bad Request\r\n\r\n", "$-7\r\n", "*2\r\n:1\r\n:2\r\n", ":12\r\n", "+PONG\r\n", "$999999999\r\n", "\x00\xff\r\n", "%1\r\n"}
					if _, err := io.WriteString(conn, nonsense[i%len(nonsense)]); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); conns.Wait() })
	rdb, _ := client(t, l.Addr().String())
	memory := store.NewMemory()
	c := open(t, cache.Options{Lease: brisk}, memory, rdb)
	keys := keysOver(t, c, nil)
	eventually(t, "fresh", func() bool { return c.Stats().Fresh })
	made, err := store.New(shielded{memory}).CreateMany(t.Context(), newKeys(50))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range made {
		if _, err := keys.Authenticate(t.Context(), m.Token.Reveal()); err != nil {
			t.Errorf("a good key: %v", err)
		}
	}
	if _, err := keys.Authenticate(t.Context(), "sk_"+strings.Repeat("0", 64)); !errors.Is(err, store.ErrUnknownToken) {
		t.Errorf("a stranger: %v", err)
	}
	_ = rdb.Close()
}

func newKeys(n int) []store.NewKey {
	in := make([]store.NewKey, n)
	for i := range in {
		in[i] = store.NewKey{Type: store.Secret}
	}
	return in
}

// corrupt replaces every value of Redis whose key has that part.
func corrupt(t *testing.T, rdb *redis.Client, part string, replace func(key, value string) error) {
	t.Helper()
	n := 0
	for key, value := range copyOf(t, rdb) {
		if !strings.Contains(key, part) {
			continue
		}
		n++
		if err := replace(key, value); err != nil {
			t.Fatal(err)
		}
	}
	if n == 0 {
		t.Fatal("there is nothing to corrupt")
	}
}
