// Package ratelimit counts the requests of limited keys in Redis, so that the limit of a key (store.Key.RateLimit) holds for all
// instances of a program together:
//
//	limiter := ratelimit.New(rdb)
//	guard := keyauth.WithConfig(keyauth.Config{Keys: keys, Limiter: limiter})
//
// The algorithm is GCRA, a bucket of requests that fills up evenly ([store.RateLimit]); the clock is Redis's. A request of a limited
// key costs one command, a short script that touches one key, "latchkey:rate:<id>", which Redis forgets when the bucket is full again.
// Requests of other keys cost nothing. Redis 7 or Valkey, alone, with Sentinel or as a Cluster; the user of the client needs
// EVALSHA, EVAL, GET, SET and TIME.
//
// A rate limit must not be what takes a program down: Redis is given a moment to answer (Options.Timeout), and when it is out or slow, each
// instance counts by itself, in a bounded part of its memory, until Redis answers again. Then n instances together allow up to n times the limit, and
// what they counted is not told to Redis afterwards. A Redis that forgets (it was restarted without its data, or evicted the key) gives the
// key its whole limit back. Build the client with cache.RecommendedRedisOptions.
package ratelimit
