package cache_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// host is an instance with a way of its own to store and Redis.
type host struct {
	rows  *spy
	proxy *servers.TCPProxy
	cache *cache.Cache
	keys  *store.Keys
}

func newHost(t *testing.T, memory store.Store, server *servers.RedisServer) *host {
	t.Helper()
	h := &host{rows: &spy{Store: shielded{memory}}, proxy: servers.Proxy(t, server.Addr())}
	rdb, _ := client(t, h.proxy.Addr())
	sealer := sealed(t)
	h.cache = open(t, cache.Options{Lease: brisk, MaxStale: cache.Strict, Sealer: sealer}, h.rows, rdb)
	h.keys = keysOver(t, h.cache, sealer)
	return h
}

// keysOver returns the verbs over a store, for tests that speak of tokens.
func keysOver(t *testing.T, s store.Store, sealer *store.Sealer) *store.Keys {
	t.Helper()
	keys, err := store.Options{Sealer: sealer, Logger: silent, FlushInterval: -1}.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// revoke repeats the revocation until it succeeds. An answer that the key was revoked already
// counts, as docs/consistency.md says.
func (h *host) revoke(t *testing.T, id string) {
	t.Helper()
	for range 100 {
		_, err := h.keys.Revoke(context.Background(), id)
		switch {
		case err == nil, errors.Is(err, store.ErrInvalid):
			return
		case !errors.Is(err, store.ErrUnavailable):
			t.Fatal(err)
		}
	}
	t.Fatal("no revocation was ever confirmed")
}

// When a revocation has returned success, the key is dead: here at once, there at once, and so it
// stays, whatever is broken. Faults that take processes and real clocks are those of internal/soak;
// this is every fault of the table that one process can have.
func TestRequirement09ARevokedKeyIsDeadEverywhereUnderEveryFault(t *testing.T) {
	ctx := context.Background()
	for _, fault := range []struct {
		name       string
		before     func(t *testing.T, a, b *host, rdb *redis.Client)
		afterwards func(t *testing.T, a, b *host, rdb *redis.Client, old map[string]string)
	}{
		{name: "none"},
		{name: "Redis is down", before: func(t *testing.T, a, b *host, _ *redis.Client) { a.proxy.Cut(); b.proxy.Cut() }},
		{name: "Redis hangs", before: func(t *testing.T, a, b *host, _ *redis.Client) { a.proxy.Hang(); b.proxy.Hang() }},
		{name: "the revoking instance cannot reach Redis", before: func(t *testing.T, a, _ *host, _ *redis.Client) { a.proxy.Cut() }},
		{name: "the other instance cannot reach Redis", before: func(t *testing.T, _, b *host, _ *redis.Client) { b.proxy.Cut() }},
		{name: "Redis hangs for the other instance", before: func(t *testing.T, _, b *host, _ *redis.Client) { b.proxy.Hang() }},
		{name: "messages to the other instance are lost", before: func(t *testing.T, _, b *host, _ *redis.Client) { b.proxy.Cut(); b.proxy.Heal() }},
		{name: "Redis is flushed before", before: func(t *testing.T, _, _ *host, rdb *redis.Client) { flush(t, rdb) }},
		{name: "Redis is flushed afterwards", afterwards: func(t *testing.T, _, _ *host, rdb *redis.Client, _ map[string]string) { flush(t, rdb) }},
		{name: "Redis comes back with the data of before", afterwards: func(t *testing.T, _, _ *host, rdb *redis.Client, old map[string]string) {
			flush(t, rdb)
			for key, value := range old {
				if err := rdb.Set(ctx, key, value, time.Hour).Err(); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{name: "the other instance cannot read the feed", before: func(t *testing.T, _, b *host, _ *redis.Client) { b.rows.feedDown.Store(true) }},
		{name: "the other instance cannot reach the database", before: func(t *testing.T, _, b *host, _ *redis.Client) { b.rows.down.Store(true) }},
		{name: "the other instance can reach neither", before: func(t *testing.T, _, b *host, _ *redis.Client) { b.rows.down.Store(true); b.proxy.Cut() }},
		{name: "the feed of the other instance hangs", before: func(t *testing.T, _, b *host, _ *redis.Client) {
			b.rows.hooks(func(s *spy) { s.onFeed = func() { time.Sleep(brisk) } })
		}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			server := servers.NewRedis(t)
			memory := store.NewMemory()
			a, b := newHost(t, memory, server), newHost(t, memory, server)
			ready(t, a.cache, b.cache)
			made, err := a.keys.Create(ctx, store.NewKey{Type: store.Secret})
			if err != nil {
				t.Fatal(err)
			}
			token := made.Token.Reveal()
			eventually(t, "both remember the key, and Redis does", func() bool {
				for _, h := range []*host{a, b} {
					if _, err := h.keys.Authenticate(ctx, token); err != nil && !errors.Is(err, store.ErrUnavailable) {
						t.Fatal(err)
					}
				}
				return a.cache.Stats().Hits > 0 && b.cache.Stats().Hits > 0 && a.cache.Stats().Fills+b.cache.Stats().Fills > 0
			})
			rdb, _ := client(t, server.Addr())
			old := copyOf(t, rdb)
			dead := func(when string) (decided bool) {
				t.Helper()
				decided = true
				for name, h := range map[string]*host{"the revoking instance": a, "the other instance": b} {
					_, err := h.keys.Authenticate(ctx, token)
					if err == nil {
						t.Fatalf("%s lets the key in %s", name, when)
					}
					decided = decided && errors.Is(err, store.ErrRevoked)
				}
				return decided
			}
			if fault.before != nil {
				fault.before(t, a, b, rdb)
			}
			a.revoke(t, made.Key.ID)
			dead("at once")
			if fault.afterwards != nil {
				fault.afterwards(t, a, b, rdb, old)
			}
			for end := time.Now().Add(2 * brisk); time.Now().Before(end); {
				dead("a little later")
			}
			a.proxy.Heal()
			b.proxy.Heal()
			b.rows.hooks(func(s *spy) { s.onFeed = nil })
			b.rows.feedDown.Store(false)
			b.rows.down.Store(false)
			eventually(t, "both say that it is revoked", func() bool { return dead("when all is well again") })
			ready(t, a.cache, b.cache)
			c := newHost(t, memory, server) // knows the content of Redis
			ready(t, c.cache)
			if _, err := c.keys.Authenticate(ctx, token); !errors.Is(err, store.ErrRevoked) {
				t.Errorf("a new instance: %v", err)
			}
		})
	}
}

func flush(t *testing.T, rdb *redis.Client) {
	t.Helper()
	if err := rdb.FlushAll(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
}

// A load has read the key from the database, as good as it was, and has not yet written it to the
// caches, when the key is revoked: here or elsewhere. It must not bring the key back, in neither
// cache.
func TestRequirement10ARevocationDuringALoadIsNotUndone(t *testing.T) {
	ctx := context.Background()
	for name, pick := range map[string]func(a, b *host) *host{
		"revoked on the instance that loads": func(a, _ *host) *host { return a },
		"revoked on another instance":        func(_, b *host) *host { return b },
	} {
		t.Run(name, func(t *testing.T) {
			server := servers.NewRedis(t)
			memory := store.NewMemory()
			a, b := newHost(t, memory, server), newHost(t, memory, server)
			ready(t, a.cache, b.cache)
			made, err := b.keys.Create(ctx, store.NewKey{Type: store.Secret})
			if err != nil {
				t.Fatal(err)
			}
			token := made.Token.Reveal()
			caughtUp(t, memory, a.cache, b.cache)

			read, release := make(chan struct{}), make(chan struct{})
			armed := true
			a.rows.hooks(func(s *spy) {
				s.onFound = func(found store.Found) {
					a.rows.mu.Lock()
					first := armed && found.Record != nil
					armed = armed && !first
					a.rows.mu.Unlock()
					if first {
						close(read)
						<-release
					}
				}
			})
			loaded := make(chan error, 1)
			go func() {
				_, err := a.keys.Authenticate(ctx, token)
				loaded <- err
			}()
			<-read // the key, good as it is
			pick(a, b).revoke(t, made.Key.ID)
			close(release)
			if err := <-loaded; err != nil && !errors.Is(err, store.ErrUnauthenticated) && !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("the request that began before: %v", err)
			}
			c := newHost(t, memory, server)
			ready(t, a.cache, b.cache, c.cache)
			for range 100 {
				for _, h := range []*host{a, b, c} {
					if _, err := h.keys.Authenticate(ctx, token); !errors.Is(err, store.ErrRevoked) && !errors.Is(err, store.ErrUnavailable) {
						t.Fatalf("afterwards: %v", err)
					}
				}
			}
		})
	}
}
