package telemetry_test

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/middleware/ratelimit"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/telemetry"
)

func Example() {
	reader := metric.NewManualReader() // in a program: the exporter of Prometheus, or of OTLP
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	before := otel.GetMeterProvider()
	otel.SetMeterProvider(provider)
	defer otel.SetMeterProvider(before)
	ctx := context.Background()

	var rdb redis.UniversalClient // none
	limits := ratelimit.New(rdb)
	keys, closeAll, err := observed(store.NewMemory(), rdb, limits)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer closeAll(ctx)
	_, err = keys.Authenticate(ctx, "sk_nonsense")
	fmt.Println(err)

	var got metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &got); err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range got.ScopeMetrics[0].Metrics {
		if m.Name != "latchkey.authentications" {
			continue
		}
		for _, p := range m.Data.(metricdata.Sum[float64]).DataPoints {
			if p.Value > 0 {
				result, _ := p.Attributes.Value("result")
				fmt.Println(m.Name, result.AsString(), p.Value)
			}
		}
	}
	// Output:
	// malformed token
	// latchkey.authentications malformed 1
}

// observed puts a program's chain together.
func observed(rows store.Store, rdb redis.UniversalClient, limits *ratelimit.Limiter) (*store.Keys, func(context.Context), error) {
	t, err := telemetry.New(nil, nil) // nil: the providers that otel.SetMeterProvider and otel.SetTracerProvider were given
	if err != nil {
		return nil, nil, err
	}
	cached, err := cache.Options{Observer: t}.New(telemetry.Observed(rows, t), rdb)
	if err != nil {
		return nil, nil, err
	}
	keys, err := store.Options{Observer: t}.New(cached)
	if err != nil {
		return nil, nil, err
	}
	err = t.Watch(keys, cached, limits) // limits: ratelimit.New(rdb), if you have one
	return keys, func(ctx context.Context) {
		_ = t.Close()
		_ = keys.Close(ctx)
	}, err
}
