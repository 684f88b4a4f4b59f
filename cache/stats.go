package cache

import (
	"sync/atomic"
	"time"
)

// Stats are the numbers of a cache. Counters begin at the start of the cache.
type Stats struct {
	Hits         uint64 // lookups answered from the memory of the process
	UnknownHits  uint64 // lookups of tokens known to be unknown
	RedisHits    uint64
	RedisMisses  uint64
	RedisErrors  uint64 // commands that failed, took too long, or were not sent for that reason
	RedisForged  uint64 // entries not written by this system; always 0 without peppers
	StoreLookups uint64 // queries for lookups
	StoreErrors  uint64
	StaleLookups uint64 // lookups while the feed was out of reach
	Fills        uint64 // records written to Redis
	FillsLost    uint64 // records not written: no slot was free, or they were stale by then
	Polls        uint64
	PollErrors   uint64
	Repairs      uint64
	RepairErrors uint64
	Resets       uint64 // new generations in Redis; each drops all its records
	Changes      uint64 // changes of this process that succeeded
	SlowChanges  uint64 // those that waited for a lease: an acknowledgement or Redis was missing
	MissingAcks  uint64 // acknowledgements that those waited for in vain
	Messages     uint64 // changes of other processes announced through Redis
	Forged       uint64 // messages not written by this system; always 0 without peppers
	Drops        uint64 // times that all records in memory were dropped
	WentBack     uint64 // times that the feed went back: the store was restored, or has lost changes

	Keys    int // records in memory
	Unknown int // unknown tokens in memory

	FeedAge    time.Duration // since the feed was last read; -1 before the first time
	Fresh      bool          // lookups are answered from memory
	Stale      bool          // they are not: the feed is out of reach, and known keys are answered from Redis
	Head       int64         // the newest known event
	Redis      bool          // there is a Redis client
	RedisReady bool          // Redis is up to date as far as known, and answers lookups
	Faults     Faults        // what Redis does not serve now, and why
	Listening  bool          // changes of other processes arrive at once, through Redis
	Breaker    BreakerState
	Opened     uint64 // how often the breaker has opened
}

// BreakerState says whether lookups read Redis.
type BreakerState string

// The states of the breaker.
const (
	BreakerClosed BreakerState = "closed" // lookups read Redis; also the state without Redis
	BreakerOpen   BreakerState = "open"   // Redis does not answer or refuses to be read; probes go on
)

// counters are the numbers behind Stats. Hits are counted by a shardedCounter, since every request
// increments them.
type counters struct {
	unknownHits, redisHits, redisMisses, redisErrors, redisForged,
	storeLookups, storeErrors, staleLookups, fills, fillsLost,
	polls, pollErrors, repairs, repairErrors, resets, drops, wentBack,
	changes, slowChanges, missingAcks, messages, forged atomic.Uint64
}

// Stats returns the current numbers. It is cheap and does no I/O.
func (c *Cache) Stats() Stats {
	n := &c.count
	s := Stats{
		Hits:         c.hits.value(),
		UnknownHits:  n.unknownHits.Load(),
		RedisHits:    n.redisHits.Load(),
		RedisMisses:  n.redisMisses.Load(),
		RedisErrors:  n.redisErrors.Load(),
		RedisForged:  n.redisForged.Load(),
		StoreLookups: n.storeLookups.Load(),
		StoreErrors:  n.storeErrors.Load(),
		StaleLookups: n.staleLookups.Load(),
		Fills:        n.fills.Load(),
		FillsLost:    n.fillsLost.Load(),
		Polls:        n.polls.Load(),
		PollErrors:   n.pollErrors.Load(),
		Repairs:      n.repairs.Load(),
		RepairErrors: n.repairErrors.Load(),
		Resets:       n.resets.Load(),
		Drops:        n.drops.Load(),
		WentBack:     n.wentBack.Load(),
		Changes:      n.changes.Load(),
		SlowChanges:  n.slowChanges.Load(),
		MissingAcks:  n.missingAcks.Load(),
		Messages:     n.messages.Load(),
		Forged:       n.forged.Load(),
		FeedAge:      -1,
		Redis:        c.l2 != nil,
		Breaker:      BreakerClosed,
		Listening:    c.listening.Load(),
	}
	if c.l2 != nil {
		s.Opened, s.Faults = c.faults.of(opRead).Opened(), c.faults.current()
		if !c.faults.of(opRead).Closed() {
			s.Breaker = BreakerOpen
		}
	}
	if e := c.epoch.Load(); e != nil {
		if age := e.age(c.clock.now()); age != never {
			s.FeedAge, s.Fresh = age, age <= c.o.Lease
		}
		s.Head = e.requiredHead.Load()
		s.Keys = e.keys.EstimatedSize()
		s.Unknown = e.unknown.EstimatedSize()
		s.RedisReady = c.l2 != nil && e.aligned.Load() && s.Breaker == BreakerClosed
		s.Stale = !s.Fresh && s.RedisReady && c.recordsInRedis() && s.FeedAge >= 0 && s.FeedAge <= c.o.MaxStale
	}
	return s
}
