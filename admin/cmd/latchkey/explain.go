package main

import (
	"errors"
	"fmt"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
)

// explain adds to an error of a change what can be done about it. again says how to find out what became of it.
func explain(err error, again string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, cache.ErrNeedsRedis):
		return fmt.Errorf("%w. Nothing was written. Name the Redis that they use with -redis or REDIS_URL, or, to change keys without telling it, add -without-redis (%s)",
			cache.ErrNeedsRedis, withoutRedisBound)
	case errors.Is(err, store.ErrUnavailable):
		return fmt.Errorf("%w. It may have happened or not: %s", err, again)
	}
	return err
}
