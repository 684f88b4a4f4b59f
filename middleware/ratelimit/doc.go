// Package ratelimit counts the requests of limited keys in Redis, so that the limit of a key
// (store.Key.RateLimit) applies to all instances of a program together:
//
//	limiter := ratelimit.New(rdb)
//	guard := keyauth.WithConfig(keyauth.Config{Keys: keys, Limiter: limiter})
//
// The algorithm is GCRA, a bucket of requests that refills evenly ([store.RateLimit]). It uses the
// clock of Redis. A request of a limited key costs one command, a short script. It touches one key,
// "latchkey:rate:<id>", which expires when the bucket is full again. Requests of other keys cost
// nothing. Redis 7 or Valkey, standalone, with Sentinel or as a Cluster. The client's user needs
// EVALSHA, EVAL, GET, SET and TIME.
//
// A rate limit must not take a program down. Redis has a short time to answer (Options.Timeout).
// While it is down or slow, each instance counts by itself, in a bounded part of its memory. Then n
// instances together allow up to n times the limit, and Redis does not receive these counts
// afterwards. If Redis loses a key (it restarted without its data, or evicted the key), the full
// limit is available again. Build the client with cache.RecommendedRedisOptions.
package ratelimit
