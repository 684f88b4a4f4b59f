package cache

import (
	"github.com/latchkey-go/latchkey/internal/observe"
	"github.com/latchkey-go/latchkey/internal/redisfault"
)

// Metrics returns the numbers of Stats for telemetry.Telemetry.Watch. Those about Redis are left
// out when there is none.
func (c *Cache) Metrics() []observe.Metric { return c.Stats().metrics() }

func (s Stats) metrics() []observe.Metric {
	if !s.Redis {
		return s.ownMetrics()
	}
	return append(s.ownMetrics(), s.redisMetrics()...)
}

func (s *Stats) ownMetrics() []observe.Metric {
	lookups := func(layer string, n uint64) observe.Metric {
		return observe.Counter("latchkey.cache.lookups", "{lookup}",
			"Lookups, by the layer that answered; store counts all that reached it.", n).With("layer", layer)
	}
	entries := func(kind string, n int) observe.Metric {
		return observe.Gauge("latchkey.cache.entries", "{entry}", "Entries in the memory of the process.", float64(n)).
			With("kind", kind)
	}
	return []observe.Metric{
		lookups("process", s.Hits), lookups("unknown", s.UnknownHits), lookups("redis", s.RedisHits),
		lookups("store", s.StoreLookups),
		observe.Counter("latchkey.cache.store_errors", "{lookup}",
			"Lookups that the store did not answer.", s.StoreErrors),
		observe.Counter("latchkey.cache.stale_lookups", "{lookup}",
			"Lookups while the change feed was out of reach.", s.StaleLookups),
		observe.Counter("latchkey.cache.polls", "{poll}", "Polls of the change feed.", s.Polls),
		observe.Counter("latchkey.cache.poll_errors", "{poll}", "Polls of the change feed that failed.", s.PollErrors),
		observe.Counter("latchkey.cache.changes", "{change}", "Changes of this process that succeeded.", s.Changes),
		observe.Counter("latchkey.cache.slow_changes", "{change}",
			"Successful changes of this process that waited for a lease.", s.SlowChanges),
		observe.Counter("latchkey.cache.missing_acks", "{acknowledgement}",
			"Acknowledgements that changes waited for in vain.", s.MissingAcks),
		observe.Counter("latchkey.cache.drops", "{drop}", "Times that all entries in memory were dropped.", s.Drops),
		observe.Counter("latchkey.cache.went_back", "{time}",
			"Times that the change feed went back: the store was restored, or has lost changes.", s.WentBack),
		entries("key", s.Keys), entries("unknown", s.Unknown),
		observe.Gauge("latchkey.cache.feed_age", "s",
			"Time since the change feed was last read; -1 before the first time.", s.feedAgeSeconds()),
		observe.Gauge("latchkey.cache.head", "{event}", "Number of the newest known event.", float64(s.Head)),
		observe.Flag("latchkey.cache.fresh", "1 while lookups are answered from memory.", s.Fresh),
		observe.Flag("latchkey.cache.stale",
			"1 while known keys are answered from Redis because the change feed is out of reach.", s.Stale),
	}
}

func (s *Stats) redisMetrics() []observe.Metric {
	forged := func(what string, n uint64) observe.Metric {
		return observe.Counter("latchkey.cache.forged", "{item}",
			"Items in Redis that this system did not write, or wrote under another pepper.", n).With("what", what)
	}
	return append([]observe.Metric{
		observe.Counter("latchkey.cache.redis_misses", "{lookup}",
			"Lookups that Redis could not answer.", s.RedisMisses),
		observe.Counter("latchkey.cache.redis_errors", "{command}",
			"Redis commands that failed, took too long or were not sent for that reason.", s.RedisErrors),
		observe.Counter("latchkey.cache.fills", "{record}", "Records written to Redis.", s.Fills),
		observe.Counter("latchkey.cache.fills_lost", "{record}",
			"Records not written to Redis: no slot was free, or they were stale by then.", s.FillsLost),
		observe.Counter("latchkey.cache.repairs", "{repair}", "Attempts to bring Redis up to date.", s.Repairs),
		observe.Counter("latchkey.cache.repair_errors", "{repair}", "Repairs of Redis that failed.", s.RepairErrors),
		observe.Counter("latchkey.cache.resets", "{reset}", "Times that all records in Redis were dropped.", s.Resets),
		observe.Counter("latchkey.cache.messages", "{message}",
			"Changes of other processes announced through Redis.", s.Messages),
		forged("record", s.RedisForged), forged("message", s.Forged),
		observe.Counter("latchkey.cache.breaker_opened", "{time}",
			"Times that lookups stopped reading Redis.", s.Opened),
		observe.Flag("latchkey.cache.breaker_open", "1 while lookups do not read Redis.", s.Breaker == BreakerOpen),
		observe.Flag("latchkey.cache.redis_ready", "1 while Redis is in use.", s.RedisReady),
		observe.Flag("latchkey.cache.listening", "1 while changes of other processes arrive at once.", s.Listening),
	}, s.Faults.metrics()...)
}

// metrics returns one number for each kind of calls, and one for each word.
func (f Faults) metrics() []observe.Metric {
	var all []observe.Metric
	words := map[string]bool{}
	for op, fault := range f.all() {
		words[fault.Word] = true
		m := observe.Flag("latchkey.cache.redis_fault", "1 while Redis does not serve such calls.", fault.Word != "")
		all = append(all, m.With("operation", operationNames[op]))
	}
	for _, word := range redisfault.Words() {
		m := observe.Flag("latchkey.cache.redis_error", "1 while this is the reason of a fault.", words[word])
		all = append(all, m.With("word", word))
	}
	return all
}

func (s *Stats) feedAgeSeconds() float64 {
	if s.FeedAge < 0 {
		return -1
	}
	return s.FeedAge.Seconds()
}
