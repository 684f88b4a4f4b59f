package telemetry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/latchkey-go/latchkey/internal/observe"
	"github.com/latchkey-go/latchkey/store"
)

// scope is the name of the meter and of the tracer.
const scope = "github.com/latchkey-go/latchkey"

// Telemetry is a store.Observer. Make it with New, end it with Close. Its methods may be called
// from many goroutines at once.
type Telemetry struct {
	meter      metric.Meter
	tracer     trace.Tracer
	operations map[string]*operation

	mu      sync.Mutex
	watched []metric.Registration
}

var _ store.Observer = (*Telemetry)(nil)

// New returns a Telemetry that uses those providers, or an error of the meter. nil is the global
// provider of package otel, also when that is set later.
func New(meters metric.MeterProvider, tracers trace.TracerProvider) (*Telemetry, error) {
	if meters == nil {
		meters = otel.GetMeterProvider()
	}
	if tracers == nil {
		tracers = otel.GetTracerProvider()
	}
	t := &Telemetry{meter: meters.Meter(scope), tracer: tracers.Tracer(scope), operations: map[string]*operation{}}
	for _, p := range parts {
		h, err := t.meter.Float64Histogram("latchkey."+p.name+".duration", metric.WithUnit("s"), metric.WithDescription(p.help),
			metric.WithExplicitBucketBoundaries(p.buckets...))
		if err != nil {
			return nil, fmt.Errorf("telemetry: %w", err)
		}
		for name := range strings.FieldsSeq(p.operations) {
			t.operations[p.name+"."+name] = newOperation(h, p.name, name)
		}
	}
	return t, nil
}

// parts are all operations that an Observer is called for: "change.create" is create of the part
// change. Each part has a histogram of its own. The bounds are where the meaning of an answer
// changes: is it still within the budget of 50 ms, or of a second; has a change been acknowledged,
// or did it wait for a lease.
var parts = []struct {
	name, operations, help string
	buckets                []float64
}{
	{
		// Changes, as their callers see them: until no process answers from before the change, or
		// the error. upgrade_imported_keys runs in the background, after the first use of an
		// imported key.
		"change", "create update revoke roll delete link_sales_channels import upgrade_imported_keys reseal report_leaks",
		"How long changes of keys took, until no process answered from before them.",
		[]float64{.002, .005, .01, .02, .05, .1, .2, .5, 1, 1.1, 1.5, 2, 5, 10},
	},
	{
		// Calls of the database, below every cache (see Observed). change is one transaction, with
		// the time that it waited for those before it; touch writes last-used times.
		"store", "lookup change get list count touch events prune feed join acknowledge leave members",
		"How long calls of the database took.",
		[]float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
	},
	{
		// Calls of Redis, as the cache sees them: with the time that they waited for their turn,
		// and no longer than the cache waits. mark reads up to which event Redis is right, advance
		// is the step that a change makes in Redis, reset drops all records.
		"redis", "read write mark advance reset publish",
		"How long calls of Redis took, for those who waited for them.",
		[]float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1},
	},
	{
		"scrypt", "derive", // for a token of an imported Medusa key
		"How long computing scrypt for tokens of imported keys took.",
		[]float64{.01, .025, .05, .1, .25, .5, 1, 2.5},
	},
}

// operation is what is known of an operation before it begins.
type operation struct {
	span      string
	kind      trace.SpanKind
	alone     bool // it makes a span also outside of every trace
	durations metric.Float64Histogram
	results   [results]metric.MeasurementOption
}

func newOperation(durations metric.Float64Histogram, part, name string) *operation {
	o := &operation{span: "latchkey " + part + " " + name, kind: trace.SpanKindInternal, alone: part == "change", durations: durations}
	if part == "store" || part == "redis" {
		o.kind = trace.SpanKindClient
	}
	labels := []attribute.KeyValue{attribute.String(labelOf(part), name)}
	if part == "scrypt" { // there is only one
		labels = nil
	}
	for r := range o.results {
		set := attribute.NewSet(append(labels, attribute.String("result", resultNames[r]))...)
		o.results[r] = metric.WithAttributeSet(set)
	}
	return o
}

func labelOf(part string) string {
	if part == "change" {
		return "change"
	}
	return "operation"
}

// Begin implements store.Observer.
func (t *Telemetry) Begin(ctx context.Context, name string) (context.Context, func(error)) {
	o := t.operations[name]
	if o == nil { // not one of this module: there is no histogram for it
		return ctx, func(error) {}
	}
	var span trace.Span
	if o.alone || trace.SpanContextFromContext(ctx).IsValid() {
		ctx, span = t.tracer.Start(ctx, o.span, trace.WithSpanKind(o.kind))
	}
	began := time.Now()
	return ctx, func(err error) {
		r := resultOf(err)
		o.durations.Record(ctx, time.Since(began).Seconds(), o.results[r])
		if span == nil {
			return
		}
		span.SetAttributes(attribute.String("latchkey.result", resultNames[r]))
		if r.isFault() {
			span.SetStatus(codes.Error, resultNames[r])
		}
		span.End()
	}
}

// Source has numbers to export: a cache, a limiter of package ratelimit.
type Source interface {
	// Metrics returns them as they are now, with the same names and labels each time, and does no
	// I/O.
	Metrics() []observe.Metric
}

// Watch exports the numbers of keys and of the others each time that they are collected, until
// Close. Watch one chain of them: of two sources with the same numbers, only one is exported.
// Errors are those of the meter.
func (t *Telemetry) Watch(keys *store.Keys, others ...Source) error {
	err := t.watch(func() []observe.Metric { return metricsOf(keys.Stats()) })
	for _, other := range others {
		err = errors.Join(err, t.watch(other.Metrics))
	}
	if err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	return nil
}

func (t *Telemetry) watch(metrics func() []observe.Metric) error {
	instruments := map[string]metric.Float64Observable{}
	var all []metric.Observable
	labels := map[[2]string]metric.MeasurementOption{}
	for _, m := range metrics() {
		labels[[2]string{m.Label, m.Is}] = label(m)
		if instruments[m.Name] != nil {
			continue
		}
		instrument, err := t.instrument(m)
		if err != nil {
			return err
		}
		instruments[m.Name] = instrument
		all = append(all, instrument)
	}
	registration, err := t.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, m := range metrics() {
			if instrument, l := instruments[m.Name], labels[[2]string{m.Label, m.Is}]; instrument != nil && l != nil {
				o.ObserveFloat64(instrument, m.Value, l)
			}
		}
		return nil
	}, all...)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watched = append(t.watched, registration)
	return nil
}

func (t *Telemetry) instrument(m observe.Metric) (metric.Float64Observable, error) {
	if m.Gauge {
		return t.meter.Float64ObservableGauge(m.Name, metric.WithUnit(m.Unit), metric.WithDescription(m.Help))
	}
	return t.meter.Float64ObservableCounter(m.Name, metric.WithUnit(m.Unit), metric.WithDescription(m.Help))
}

func label(m observe.Metric) metric.MeasurementOption {
	if m.Label == "" {
		return metric.WithAttributeSet(attribute.NewSet())
	}
	return metric.WithAttributeSet(attribute.NewSet(attribute.String(m.Label, m.Is)))
}

// Close stops exporting what is watched. Close the providers after it: they are the program's.
func (t *Telemetry) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var failed error
	for _, registration := range t.watched {
		failed = errors.Join(failed, registration.Unregister())
	}
	t.watched = nil
	if failed != nil {
		return fmt.Errorf("telemetry: close: %w", failed)
	}
	return nil
}
