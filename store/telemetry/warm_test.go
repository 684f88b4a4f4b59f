package telemetry_test

import (
	"context"
	"maps"
	"sync"
	"testing"

	noopmetric "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	nooptrace "go.opentelemetry.io/otel/trace/noop"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
	"github.com/latchkey-go/latchkey/store/telemetry"
)

// none is an Observer that counts what it is told.
type none struct {
	mu  sync.Mutex
	all map[string]int
}

// told returns what it was told, apart from what the cache does by itself.
func (n *none) told() map[string]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	told := maps.Clone(n.all)
	delete(told, "store.feed")
	delete(told, "store.join")
	return told
}

func (n *none) Begin(ctx context.Context, operation string) (context.Context, func(error)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all[operation]++
	return ctx, func(error) {}
}

// warm returns Keys that have that token in memory, with that Observer, and with metrics that are
// watched if there is one.
func warm(tb testing.TB, o store.Observer) (keys *store.Keys, token string) {
	tb.Helper()
	cached, err := cache.Options{Observer: o}.New(telemetry.Observed(store.NewMemory(), o), nil)
	if err != nil {
		tb.Fatal(err)
	}
	if keys, err = (store.Options{Observer: o, FlushInterval: -1}).New(cached); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := keys.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	if all, ok := o.(*telemetry.Telemetry); ok {
		if err := all.Watch(keys, cached); err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			if err := all.Close(); err != nil {
				tb.Error(err)
			}
		})
	}
	made, err := keys.Create(context.Background(), store.NewKey{Type: store.Secret})
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := keys.Authenticate(context.Background(), made.Token.Reveal()); err != nil {
		tb.Fatal(err)
	}
	return keys, made.Token.Reveal()
}

func withSDK(tb testing.TB) *telemetry.Telemetry {
	tb.Helper()
	meters := metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))
	tb.Cleanup(func() { _ = meters.Shutdown(context.Background()) })
	all, err := telemetry.New(meters, nooptrace.NewTracerProvider())
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

func TestAWarmAuthenticationIsCountedAndNothingElse(t *testing.T) {
	t.Run("nobody is told of it", func(t *testing.T) {
		o := &none{all: map[string]int{}}
		keys, token := warm(t, o)
		before := o.told()
		for range 100 {
			if _, err := keys.Authenticate(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
		if after := o.told(); !maps.Equal(after, before) {
			t.Errorf("before %v, after %v", before, after)
		}
	})
	t.Run("it allocates nothing", func(t *testing.T) {
		keys, token := warm(t, withSDK(t))
		ctx := t.Context()
		if n := testing.AllocsPerRun(1000, func() {
			if _, err := keys.Authenticate(ctx, token); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
		if n := keys.Stats().Authenticated; n != 1002 {
			t.Errorf("%d were counted, want 1002", n)
		}
	})
}

// BenchmarkWarm is what a warm authentication costs with nobody watching, with the API alone, and
// with the SDK behind it.
func BenchmarkWarm(b *testing.B) {
	api, err := telemetry.New(noopmetric.NewMeterProvider(), nooptrace.NewTracerProvider())
	if err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name string
		o    store.Observer
	}{{"nobody watches", nil}, {"API", api}, {"SDK", withSDK(b)}} {
		b.Run(bench.name, func(b *testing.B) {
			keys, token := warm(b, bench.o)
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := keys.Authenticate(ctx, token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestClosedTelemetryExportsNothing(t *testing.T) {
	i := newInstance(t, store.NewMemory(), servers.Redis(t).Addr())
	watched := func() (n int) {
		for _, m := range i.collect() {
			if _, measured := m.Data.(metricdata.Histogram[float64]); !measured {
				n++
			}
		}
		return n
	}
	if watched() == 0 {
		t.Fatal("nothing is exported")
	}
	if err := i.all.Close(); err != nil {
		t.Fatal(err)
	}
	if n := watched(); n != 0 {
		t.Errorf("%d metrics are exported after Close", n)
	}
}
