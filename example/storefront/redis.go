package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/cache"
)

// parseRedis reads REDIS_URL; "" is no Redis.
func parseRedis(s string) (*redis.UniversalOptions, error) {
	if s == "" {
		return nil, nil
	}
	o, err := cache.ParseRedisURL(s)
	if err != nil {
		return nil, err
	}
	o.IdentitySuffix = "storefront" // ClientName would need the right to CLIENT SETNAME
	return o, nil
}

// redisLog is where go-redis tells of connections that it could not make. The cache says the same
// in one line, so this is for those who look for the cause.
type redisLog struct{ log *slog.Logger }

func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "redis: "+fmt.Sprintf(format, args...))
}
