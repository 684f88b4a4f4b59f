package ratelimit

import (
	"github.com/latchkey-go/latchkey/internal/observe"
	"github.com/latchkey-go/latchkey/internal/redisfault"
)

// Metrics returns the numbers of Stats for telemetry.Telemetry.Watch. Without Redis it returns
// none, because Stats stays zero then.
func (l *Limiter) Metrics() []observe.Metric {
	if l.shared == nil {
		return nil
	}
	return l.Stats().metrics()
}

func (s Stats) metrics() []observe.Metric {
	requests := func(by string, n uint64) observe.Metric {
		return observe.Counter("latchkey.ratelimit.requests", "{request}", "Requests of limited keys, by who counted them.", n).With("by", by)
	}
	all := []observe.Metric{
		requests("redis", s.Counted), requests("process", s.Fallback),
		observe.Counter("latchkey.ratelimit.redis_errors", "{command}", "Redis commands that failed or took too long.", s.Errors),
		observe.Flag("latchkey.ratelimit.redis_ready", "1 while Redis counts, for all instances together.", s.Redis),
	}
	for _, word := range redisfault.Words() {
		all = append(all, observe.Flag("latchkey.ratelimit.redis_error", "1 while it does not, for this reason.", word == s.Fault.Word).
			With("word", word))
	}
	return all
}
