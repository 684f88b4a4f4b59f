// Package cache is a [store.Store] in front of a [store.Store]: keys that have been looked up stay in the memory of the process
// and, when a Redis client is given, in Redis. It changes what a lookup costs and nothing of what it says: once a change (a revoke,
// say) has returned success, no process answers from before it.
//
//	rows, err := postgres.Open(db)
//	...
//	keys := store.New(cache.New(rows, rdb)) // rdb may be nil: the same, without Redis
//
// Every process that changes keys of that store, command-line tools included, must do so through this package
// (those that serve nobody with ChangesOnly), and with the Redis that the others use.
//
// docs/consistency.md says what the cache promises, docs/protocol.md how it keeps that: "protocol
// 2.2" in a comment names the section that a line follows, and the order of such lines matters.
// Start with lookup.go; change.go, subscribe.go, poll.go and repair.go are the other side. Only
// redis.go and redisurl.go know the Redis client.
//
// # Redis
//
// Redis 7 or Valkey, alone, with Sentinel or as a Cluster; persistence, replicas and fail-over as you like. Everything lives under
// KeyPrefix and the store's random feed id, in one hash slot. The recommended eviction policy is volatile-lru or volatile-lfu: the watermark key
// has no TTL, and with another policy its eviction costs every cached record. Build the client with [RecommendedRedisOptions].
//
// What Redis does wrong, be it down, hung, wiped, restored from old data or lying, costs time and never a wrong answer, with one exception: who can
// write to Redis can forge records unless peppers are set ([Options.Sealer]), and with peppers can still put back a genuine record that
// he has copied earlier, until the deadline in it ([Options].L2TTL). Where that matters, set DisableRedisRecords.
package cache
