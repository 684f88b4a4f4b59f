package cache

import (
	"iter"

	"github.com/latchkey-go/latchkey/internal/redisfault"
	"github.com/latchkey-go/latchkey/store"
)

// Metrics implements store.Measured. It returns Metrics of Stats.
func (c *Cache) Metrics() iter.Seq[store.Metric] { return c.Stats().Metrics() }

// Metrics returns all numbers. Those about Redis are left out when there is no Redis client.
func (s Stats) Metrics() iter.Seq[store.Metric] {
	return func(yield func(store.Metric) bool) {
		for _, m := range s.metrics() {
			if !yield(m) {
				return
			}
		}
		if !s.Redis {
			return
		}
		for _, m := range s.redisMetrics() {
			if !yield(m) {
				return
			}
		}
	}
}

func (s *Stats) metrics() []store.Metric {
	lookups := func(layer string, n uint64) store.Metric {
		return store.Metric{
			Name: "latchkey.cache.lookups", Unit: "{lookup}",
			Help:  "Lookups, by the layer that answered; store counts all that reached it.",
			Label: "layer", Is: layer, Value: float64(n),
		}
	}
	entries := func(kind string, n int) store.Metric {
		return store.Metric{
			Name: "latchkey.cache.entries", Unit: "{entry}", Help: "Entries in the memory of the process.",
			Kind: store.Gauge, Label: "kind", Is: kind, Value: float64(n),
		}
	}
	return []store.Metric{
		lookups("process", s.Hits), lookups("unknown", s.UnknownHits), lookups("redis", s.RedisHits),
		lookups("store", s.StoreLookups),
		counter("latchkey.cache.store_errors", "{lookup}", "Lookups that the store did not answer.", s.StoreErrors),
		counter("latchkey.cache.stale_lookups", "{lookup}",
			"Lookups while the change feed was out of reach.", s.StaleLookups),
		counter("latchkey.cache.polls", "{poll}", "Polls of the change feed.", s.Polls),
		counter("latchkey.cache.poll_errors", "{poll}", "Polls of the change feed that failed.", s.PollErrors),
		counter("latchkey.cache.changes", "{change}", "Changes of this process that succeeded.", s.Changes),
		counter("latchkey.cache.slow_changes", "{change}",
			"Successful changes of this process that waited for a lease.", s.SlowChanges),
		counter("latchkey.cache.missing_acks", "{acknowledgement}",
			"Acknowledgements that changes waited for in vain.", s.MissingAcks),
		counter("latchkey.cache.drops", "{drop}", "Times that all entries in memory were dropped.", s.Drops),
		counter("latchkey.cache.went_back", "{time}",
			"Times that the change feed went back: the store was restored, or has lost changes.", s.WentBack),
		entries("key", s.Keys), entries("unknown", s.Unknown),
		gauge("latchkey.cache.feed_age", "s",
			"Time since the change feed was last read; -1 before the first time.", s.feedAgeSeconds()),
		gauge("latchkey.cache.head", "{event}", "Number of the newest known event.", float64(s.Head)),
		gauge("latchkey.cache.fresh", "", "1 while lookups are answered from memory.", number(s.Fresh)),
		gauge("latchkey.cache.stale", "",
			"1 while known keys are answered from Redis because the change feed is out of reach.", number(s.Stale)),
	}
}

func (s *Stats) redisMetrics() []store.Metric {
	forged := func(what string, n uint64) store.Metric {
		return store.Metric{
			Name: "latchkey.cache.forged", Unit: "{item}",
			Help:  "Items in Redis that this system did not write, or wrote under another pepper.",
			Label: "what", Is: what, Value: float64(n),
		}
	}
	return append([]store.Metric{
		counter("latchkey.cache.redis_misses", "{lookup}", "Lookups that Redis could not answer.", s.RedisMisses),
		counter("latchkey.cache.redis_errors", "{command}",
			"Redis commands that failed, took too long or were not sent for that reason.", s.RedisErrors),
		counter("latchkey.cache.fills", "{record}", "Records written to Redis.", s.Fills),
		counter("latchkey.cache.fills_lost", "{record}",
			"Records not written to Redis: no slot was free, or they were stale by then.", s.FillsLost),
		counter("latchkey.cache.repairs", "{repair}", "Attempts to bring Redis up to date.", s.Repairs),
		counter("latchkey.cache.repair_errors", "{repair}", "Repairs of Redis that failed.", s.RepairErrors),
		counter("latchkey.cache.resets", "{reset}", "Times that all records in Redis were dropped.", s.Resets),
		counter("latchkey.cache.messages", "{message}",
			"Changes of other processes announced through Redis.", s.Messages),
		forged("record", s.RedisForged), forged("message", s.Forged),
		counter("latchkey.cache.breaker_opened", "{time}", "Times that lookups stopped reading Redis.", s.Opened),
		gauge("latchkey.cache.breaker_open", "",
			"1 while lookups do not read Redis.", number(s.Breaker == BreakerOpen)),
		gauge("latchkey.cache.redis_ready", "", "1 while Redis is in use.", number(s.RedisReady)),
		gauge("latchkey.cache.listening", "",
			"1 while changes of other processes arrive at once.", number(s.Listening)),
	}, s.Faults.metrics()...)
}

// metrics returns one number for each kind of calls and one for each word.
func (f Faults) metrics() []store.Metric {
	var all []store.Metric
	words := map[string]bool{}
	for op, fault := range f.all() {
		words[fault.Word] = true
		m := gauge("latchkey.cache.redis_fault", "",
			"1 while Redis does not serve such calls.", number(fault.Word != ""))
		m.Label, m.Is = "operation", operationNames[op]
		all = append(all, m)
	}
	for _, word := range redisfault.Words() {
		m := gauge("latchkey.cache.redis_error", "", "1 while this is the reason of a fault.", number(words[word]))
		m.Label, m.Is = "word", word
		all = append(all, m)
	}
	return all
}

func (s *Stats) feedAgeSeconds() float64 {
	if s.FeedAge < 0 {
		return -1
	}
	return s.FeedAge.Seconds()
}

func counter(name, unit, help string, n uint64) store.Metric {
	return store.Metric{Name: name, Unit: unit, Help: help, Value: float64(n)}
}

func gauge(name, unit, help string, value float64) store.Metric {
	return store.Metric{Name: name, Unit: unit, Help: help, Kind: store.Gauge, Value: value}
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
