package main

import (
	"errors"
	"fmt"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
)

// explain adds advice to the error of a change. After an error that may have happened in spite of a
// success, retry says what to do.
func explain(err error, retry string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, cache.ErrNeedsRedis):
		return fmt.Errorf("%w. Nothing was written. Set -redis or REDIS_URL to their Redis, "+
			"or add -without-redis to change keys without it (%s)", cache.ErrNeedsRedis, withoutRedisNote)
	case errors.Is(err, store.ErrUnavailable):
		return fmt.Errorf("%w. The change may have been made: %s", err, retry)
	}
	return err
}
