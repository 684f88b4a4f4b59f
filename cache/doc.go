// Package cache is a [store.Store] in front of a [store.Store]. It stores keys that have been
// looked up in the memory of the process and, when a Redis client is given, in Redis. Lookups
// become cheaper and never stale: once a change, for example a revoke, has returned success, every
// answer of every process reflects it.
//
//	rows, err := postgres.Open(db)
//	...
//	keys := store.New(cache.New(rows, rdb)) // rdb may be nil: the same, without Redis
//
// Every process that changes keys of that store must do so through this package and with the same
// Redis. Command-line tools are no exception: they set ChangesOnly.
//
// docs/consistency.md says what the cache promises, docs/protocol.md how it works. "Protocol 2.2"
// in a comment names the section that a line implements; the order of such lines matters. Start
// with lookup.go. change.go, subscribe.go, poll.go and repair.go are the other side. Only redis.go
// and redisurl.go use the Redis client.
//
// # Redis
//
// Redis 7 or Valkey: one server, Sentinel or Cluster, with any persistence, replicas and fail-over.
// All names begin with KeyPrefix and the random id of the store's feed, in one hash slot. The
// recommended eviction policy is volatile-lru or volatile-lfu: the watermark key has no TTL, and
// when another policy evicts it, all cached records are lost. Make the client with
// [RecommendedRedisOptions].
//
// A Redis that is down, hangs, was wiped or was restored from old data costs time and never causes
// a wrong answer. There is one exception: without peppers ([Options.Sealer]), an attacker who can
// write to Redis can forge records. With peppers they can still put back a genuine record that they
// copied earlier, until its deadline ([Options].L2TTL). Set DisableRedisRecords where that matters.
package cache
