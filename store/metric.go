package store

import "iter"

// Metric is a number that a part of Latchkey keeps about itself anyway, with the name under which to export it. [Keys.Metrics],
// cache.Cache.Metrics and ratelimit.Limiter.Metrics return them; telemetry.Telemetry.Watch exports them through OpenTelemetry.
type Metric struct {
	Name  string // "latchkey.cache.lookups"
	Help  string // what it counts or tells, one sentence
	Unit  string // as UCUM writes it: "s", or "{lookup}" for things that are counted
	Kind  MetricKind
	Value float64
	// Label and Is tell the numbers of one name apart: {layer="redis"}. Empty when there is only one. Is comes from a short list that the
	// source fixes: never from a request, a key or an error.
	Label, Is string
}

// MetricKind says how a Metric may move.
type MetricKind int

const (
	// Counter only rises, from 0 at the start of the process.
	Counter MetricKind = iota
	// Gauge is what it is at the moment.
	Gauge
)

// Measured is what has numbers to export: [Keys], cache.Cache, ratelimit.Limiter.
type Measured interface {
	// Metrics returns them as they are now: the same names, labels and kinds every time. It is cheap and does no I/O.
	Metrics() iter.Seq[Metric]
}
