package ratelimit_test

import (
	_ "embed"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/middleware/ratelimit"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

//go:embed take.lua
var takeLua string

// generous is a limit that no benchmark reaches.
var generous = store.RateLimit{Requests: 100_000_000, Window: 100 * time.Second}

// BenchmarkTake compares a request that is counted in Redis with the bare command on the same
// client, and with one that is counted in the process.
func BenchmarkTake(b *testing.B) {
	rdb, _ := client(b, servers.NewRedis(b).Addr(), patient)
	script := redis.NewScript(takeLua)
	interval, room := generous.Pace()
	evalsha := func(b *testing.B) {
		if err := script.EvalSha(b.Context(), rdb, []string{"raw"}, interval.Microseconds(), room.Microseconds()).Err(); err != nil {
			b.Fatal(err)
		}
	}
	take := func(b *testing.B, l *ratelimit.Limiter) {
		if d, err := l.Take(b.Context(), "k", generous); err != nil || !d.Allowed {
			b.Fatalf("%+v, %v", d, err)
		}
	}
	if err := script.Load(b.Context(), rdb).Err(); err != nil {
		b.Fatal(err)
	}
	shared, local := newLimiter(b, ratelimit.Options{Timeout: patient}, rdb), newLimiter(b, ratelimit.Options{}, nil)
	for _, bench := range []struct {
		name string
		do   func(b *testing.B)
	}{
		{"EVALSHA", evalsha},
		{"Redis", func(b *testing.B) { take(b, shared.Limiter) }},
		{"process", func(b *testing.B) { take(b, local.Limiter) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bench.do(b)
			}
		})
		b.Run(bench.name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					bench.do(b)
				}
			})
		})
	}
	if s := shared.Stats(); s.Fallback > 0 {
		b.Errorf("not everything was counted in Redis: %+v", s)
	}
}

// discard is a ResponseWriter that is used again and again.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkGuard is a whole request over net/http's handlers: without a guard, with a key that has
// no limit, and with one that has.
func BenchmarkGuard(b *testing.B) {
	rdb, _ := client(b, servers.NewRedis(b).Addr(), patient)
	keys := store.New(store.NewMemory())
	b.Cleanup(func() {
		if err := keys.Close(b.Context()); err != nil && b.Context().Err() == nil {
			b.Error(err)
		}
	})
	token := func(limit store.RateLimit) string {
		made, err := keys.Create(b.Context(), store.NewKey{Type: store.Secret, RateLimit: limit})
		if err != nil {
			b.Fatal(err)
		}
		return made.Token.Reveal()
	}
	free, limited := token(store.RateLimit{}), token(generous)
	shared := newLimiter(b, ratelimit.Options{Timeout: patient}, rdb)
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	inProcess := keyauth.WithConfig(keyauth.Config{Keys: keys})(next)
	inRedis := keyauth.WithConfig(keyauth.Config{Keys: keys, Limiter: shared})(next)
	wary := keyauth.WithConfig(keyauth.Config{Keys: keys, MaxFailures: store.RateLimit{Requests: 20, Window: time.Minute}})(next)
	for _, bench := range []struct {
		name, token string
		h           http.Handler
	}{
		{"no guard", free, next},
		{"no limit", free, inRedis},
		{"failures limited", free, wary},
		{"limited in the process", limited, inProcess},
		{"limited in Redis", limited, inRedis},
	} {
		b.Run(bench.name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("X-Api-Key", bench.token)
			w := httptest.NewRecorder()
			if bench.h.ServeHTTP(w, r); w.Code != http.StatusOK {
				b.Fatalf("%d %s", w.Code, w.Body)
			}
			d := &discard{h: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(d.h)
				bench.h.ServeHTTP(d, r)
			}
		})
	}
}
