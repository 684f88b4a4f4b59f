package main

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/latchkey-go/latchkey/store/telemetry"
)

// metrics is where this program's numbers go: through OpenTelemetry's SDK to
// /metrics. docs/operations.md says what they mean, and how traces are added.
type metrics struct {
	all      *telemetry.Telemetry
	provider *metric.MeterProvider
	handler  http.Handler
}

func newMetrics(log *slog.Logger) (*metrics, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	out, err := exporter.New(exporter.WithRegisterer(registry), exporter.WithoutScopeInfo(), exporter.WithoutTargetInfo())
	if err != nil {
		return nil, err
	}
	m := &metrics{
		provider: metric.NewMeterProvider(metric.WithReader(out)),
		handler:  promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}),
	}
	m.all, err = telemetry.New(m.provider, nil)
	return m, err
}
