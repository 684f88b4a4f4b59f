package telemetry_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
	"golang.org/x/crypto/scrypt"

	"github.com/latchkey-go/latchkey/cache"
	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/middleware/ratelimit"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
	"github.com/latchkey-go/latchkey/store/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(servers.Main(m)) }

// switchable is a store that can be out of reach.
type switchable struct {
	store.Store
	mu   sync.Mutex
	down error
	hold chan struct{} // lookups wait for it, if there is one
}

func (s *switchable) set(down error, hold chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.hold = down, hold
}

func (s *switchable) Lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {
	s.mu.Lock()
	down, hold := s.down, s.hold
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if down != nil {
		return store.Found{}, down
	}
	return s.Store.Lookup(ctx, id, redacted)
}

// instance is a program with all that is observed, and what it has sent.
type instance struct {
	t      *testing.T
	rows   *switchable
	cached *cache.Cache
	keys   *store.Keys
	limits *ratelimit.Limiter
	all    *telemetry.Telemetry
	reader *metric.ManualReader
	spans  *tracetest.SpanRecorder
	tracer trace.Tracer
	log    *text
}

// newInstance returns one over rows, which may have others, and over the Redis at that address.
func newInstance(t *testing.T, rows store.Store, address string) *instance {
	t.Helper()
	i := &instance{
		t: t, rows: &switchable{Store: rows}, reader: metric.NewManualReader(), spans: tracetest.NewSpanRecorder(), log: &text{},
	}
	meters := metric.NewMeterProvider(metric.WithReader(i.reader))
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(i.spans))
	i.tracer = tracers.Tracer("test")
	log := slog.New(slog.NewJSONHandler(i.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	sealer, err := store.NewSealer([]string{"0123456789abcdefghijklmnopqrstuvwxyzABCDEF"})
	if err != nil {
		t.Fatal(err)
	}
	options := &redis.UniversalOptions{Addrs: []string{address}}
	cache.RecommendedRedisOptions(options)
	rdb := redis.NewUniversalClient(options)
	if i.all, err = telemetry.New(meters, tracers); err != nil {
		t.Fatal(err)
	}
	if i.cached, err = (cache.Options{Sealer: sealer, Observer: i.all, Logger: log, RedisTimeout: time.Second}).New(telemetry.Observed(i.rows, i.all), rdb); err != nil {
		t.Fatal(err)
	}
	if i.keys, err = (store.Options{Sealer: sealer, Observer: i.all, Logger: log, FlushInterval: 10 * time.Millisecond}).New(i.cached); err != nil {
		t.Fatal(err)
	}
	if i.limits, err = (ratelimit.Options{Logger: log, Timeout: time.Second}).New(rdb); err != nil {
		t.Fatal(err)
	}
	if err := i.all.Watch(i.keys, i.cached, i.limits); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		for _, end := range []func() error{
			i.all.Close,
			func() error { return i.keys.Close(ctx) },
			rdb.Close,
			func() error { return meters.Shutdown(ctx) },
			func() error { return tracers.Shutdown(ctx) },
		} {
			if err := end(); err != nil {
				t.Error(err)
			}
		}
	})
	i.eventually("Redis is in use and others are heard", func() bool { s := i.cached.Stats(); return s.RedisReady && s.Listening })
	return i
}

func (i *instance) eventually(what string, ok func() bool) {
	i.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			i.t.Fatalf("never: %s", what)
		}
	}
}

func (i *instance) create(n store.NewKey) store.Made {
	i.t.Helper()
	made, err := i.keys.Create(i.t.Context(), n)
	if err != nil {
		i.t.Fatal(err)
	}
	return made
}

// ask sends a token to a guard, as a traced request if ctx is one, and returns the status.
func (i *instance) ask(ctx context.Context, c keyauth.Config, token string) int {
	c.Keys, c.Limiter, c.Logger = i.keys, i.limits, slog.New(slog.NewJSONHandler(i.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	if token != "" {
		r.Header.Set("X-Api-Key", token)
	}
	w := httptest.NewRecorder()
	keyauth.WithConfig(c)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).ServeHTTP(w, r)
	return w.Code
}

// collect returns what a scrape would bring.
func (i *instance) collect() []metricdata.Metrics {
	i.t.Helper()
	var got metricdata.ResourceMetrics
	if err := i.reader.Collect(i.t.Context(), &got); err != nil {
		i.t.Fatal(err)
	}
	var all []metricdata.Metrics
	for _, scope := range got.ScopeMetrics {
		all = append(all, scope.Metrics...)
	}
	return all
}

// everything does all that is counted and measured, with many keys, and returns what must not be
// told of it: tokens, digests and titles.
func (i *instance) everything(ctx context.Context) (secrets []string) {
	t := i.t
	keep := func(title, token string) {
		parsed, err := store.ParseToken(token)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, token, token[3:], fmt.Sprintf("%x", [32]byte(parsed.LookupID())), title)
	}
	any := keyauth.Config{Types: []store.Type{store.Secret, store.Publishable}}
	var last store.Made
	for n := range 20 {
		title := fmt.Sprintf("canary title %d", n)
		made := i.create(store.NewKey{Type: store.Secret, Title: title})
		keep(title, made.Token.Reveal())
		for range 3 {
			if status := i.ask(ctx, any, made.Token.Reveal()); status != http.StatusNoContent {
				t.Fatal(status)
			}
		}
		last = made
	}
	for _, do := range []func() error{
		func() error {
			made, err := i.keys.Roll(ctx, last.Key.ID, store.RollOptions{})
			keep("canary title 19", made.Token.Reveal())
			return err
		},
		func() error { _, err := i.keys.Roll(ctx, last.Key.ID, store.RollOptions{}); return must(err) },
		func() error { _, err := i.keys.Revoke(ctx, "apk_nobody"); return must(err) },
		func() error { return i.keys.Delete(ctx, last.Key.ID) },
		func() error {
			made := i.create(store.NewKey{Type: store.Publishable, Title: "canary of the shop"})
			keep("canary of the shop", made.Token.Reveal())
			_, err := i.keys.LinkSalesChannels(ctx, made.Key.ID, []string{"sc_canary"}, nil)
			i.ask(ctx, keyauth.Config{}, made.Token.Reveal()) // the wrong type
			return err
		},
		func() error {
			made := i.create(store.NewKey{Type: store.Secret, Title: "canary 2", RateLimit: store.RateLimit{Requests: 1, Window: time.Hour}})
			keep("canary 2", made.Token.Reveal())
			i.ask(ctx, any, made.Token.Reveal())
			i.ask(ctx, any, made.Token.Reveal())
			_, err := i.keys.RevokeAt(ctx, made.Key.ID, i.keys.Now().Add(time.Hour))
			return err
		},
		func() error {
			made := i.create(store.NewKey{Type: store.Secret, Title: "canary 3", AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
			keep("canary 3", made.Token.Reveal())
			i.ask(ctx, any, made.Token.Reveal())
			title := "canary 4"
			_, err := i.keys.Update(ctx, made.Key.ID, store.Patch{Title: &title})
			secrets = append(secrets, title)
			return err
		},
		func() error {
			token := "sk_" + strings.Repeat("c0ffee0123456789", 4)
			salt := hex.EncodeToString([]byte("0123456789abcdef"))
			hash, err := scrypt.Key([]byte(token), []byte(salt), 16384, 8, 1, 64)
			if err != nil {
				return err
			}
			key := store.Key{ID: "apk_medusa", Type: store.Secret, Title: "canary of Medusa", Redacted: token[:6] + "***" + token[len(token)-3:],
				CreatedAt: store.TimeOf(time.Now()), UpdatedAt: store.TimeOf(time.Now())}
			if _, err := i.keys.Import(ctx, []store.ImportKey{{Key: key, Salt: salt, Hash: hash}}, false); err != nil {
				return err
			}
			keep(key.Title, token)
			i.ask(ctx, any, token)
			i.eventually("the key is upgraded", func() bool { return i.keys.Stats().Upgraded == 1 })
			return nil
		},
		func() error {
			_, _, err := i.keys.Reseal(ctx, false, nil)
			return err
		},
		func() error {
			_, err := i.keys.PruneEvents(ctx, time.Now().Add(-time.Hour))
			return err
		},
		func() error {
			_, _, err := i.keys.ListAndCount(ctx, store.Query{Limit: 3})
			return err
		},
		func() error { _, err := i.keys.Get(ctx, "apk_nobody"); return must(err) },
		func() error { _, err := i.keys.Events(ctx, store.EventQuery{Limit: 3}); return err },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere := store.New(store.NewMemory())
	defer elsewhere.Close(context.Background())
	for range 50 {
		made, err := elsewhere.Create(ctx, store.NewKey{Type: store.Secret})
		if err != nil {
			t.Fatal(err)
		}
		keep("canary title 0", made.Token.Reveal())
		i.ask(ctx, any, made.Token.Reveal())
		i.ask(ctx, any, made.Token.Reveal())
	}
	i.ask(ctx, any, last.Token.Reveal()) // deleted
	i.ask(ctx, any, "sk_canary-nonsense")
	secrets = append(secrets, "canary-nonsense")
	i.ask(ctx, any, "")
	i.ask(ctx, keyauth.Config{ForbidPlainHTTP: true}, "")
	wary := keyauth.Config{Types: any.Types, MaxFailures: store.RateLimit{Requests: 1, Window: time.Hour}}
	wary.Keys, wary.Logger = i.keys, slog.New(slog.DiscardHandler)
	guard := keyauth.WithConfig(wary)(http.NotFoundHandler())
	for range 3 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-Api-Key", "sk_canary-nonsense")
		guard.ServeHTTP(httptest.NewRecorder(), r)
	}
	for _, err := range []error{store.ErrUnavailable, fmt.Errorf("dial tcp: canary.example: no route to %w", context.DeadlineExceeded)} {
		made, failed := elsewhere.Create(ctx, store.NewKey{Type: store.Secret})
		if failed != nil {
			t.Fatal(failed)
		}
		i.rows.set(err, nil)
		if status := i.ask(ctx, any, made.Token.Reveal()); status != http.StatusServiceUnavailable {
			t.Fatal(status)
		}
	}
	i.rows.set(nil, nil)
	i.eventually("last-used times are written", func() bool { s := i.keys.Stats(); return s.UsesWaiting == 0 && s.UsesWritten > 0 })
	return secrets
}

// must turns an error that is wanted into none.
func must(err error) error {
	if err == nil {
		return fmt.Errorf("no error")
	}
	return nil
}

// text is a log.
type text struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (x *text) Write(b []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.buf.Write(b)
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.buf.String()
}
