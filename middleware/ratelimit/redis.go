package ratelimit

import (
	"context"
	_ "embed"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed take.lua
var takeLua string

// redisCounter counts in Redis, under "<prefix>:<key id>". store.RateLimit.Pace keeps all numbers
// far below 2^53, up to which numbers in Lua are exact.
type redisCounter struct {
	rdb    redis.UniversalClient
	prefix string
	script *redis.Script
}

func newRedisCounter(rdb redis.UniversalClient, prefix string) *redisCounter {
	return &redisCounter{rdb: rdb, prefix: prefix + ":", script: redis.NewScript(takeLua)}
}

// take sends one EVALSHA, and an EVAL after it if Redis does not have the script.
func (c *redisCounter) take(ctx context.Context, keyID string, interval, room time.Duration) (time.Duration, error) {
	taken, err := c.script.Run(ctx, c.rdb, []string{c.prefix + keyID}, interval.Microseconds(), room.Microseconds()).Int64()
	return time.Duration(taken) * time.Microsecond, err
}
