package ratelimit

import (
	"iter"

	"github.com/latchkey-go/latchkey/internal/redisfault"
	"github.com/latchkey-go/latchkey/store"
)

// Metrics implements store.Measured: it is Metrics of Stats. Without Redis there are none, because requests that are counted in this
// process alone are not counted a second time.
func (l *Limiter) Metrics() iter.Seq[store.Metric] {
	if l.shared == nil {
		return func(func(store.Metric) bool) {}
	}
	return l.Stats().Metrics()
}

// Metrics returns all of the numbers.
func (s Stats) Metrics() iter.Seq[store.Metric] {
	return func(yield func(store.Metric) bool) {
		by := store.Metric{Name: "latchkey.ratelimit.requests", Unit: "{request}", Help: "Requests of limited keys, by who counted them.", Label: "by"}
		for _, row := range []struct {
			is string
			n  uint64
		}{{"redis", s.Counted}, {"process", s.Fallback}} {
			by.Is, by.Value = row.is, float64(row.n)
			if !yield(by) {
				return
			}
		}
		if !yield(store.Metric{
			Name: "latchkey.ratelimit.redis_errors", Unit: "{command}", Help: "Redis commands that failed or took too long.", Value: float64(s.Errors),
		}) {
			return
		}
		asked := 0.0
		if s.Redis {
			asked = 1
		}
		if !yield(store.Metric{
			Name: "latchkey.ratelimit.redis_ready", Help: "1 while Redis counts, for all instances together.", Kind: store.Gauge, Value: asked,
		}) {
			return
		}
		for _, word := range redisfault.Words() {
			why := store.Metric{
				Name: "latchkey.ratelimit.redis_error", Help: "1 while it does not, for this reason.", Kind: store.Gauge, Label: "word", Is: word,
			}
			if word == s.Fault.Word {
				why.Value = 1
			}
			if !yield(why) {
				return
			}
		}
	}
}
