package guard

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// limiterOf returns the Limiter that the config asks for. A nil pointer in the interface counts as none: programs make one when they
// declare a *ratelimit.Limiter that they do not always fill.
func limiterOf(c Config) Limiter {
	if v := reflect.ValueOf(c.Limiter); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return c.Keys.Limiter()
	}
	return c.Limiter
}

// isLimited reports whether the key has a limit, one that allows nothing included.
func isLimited(key *store.Key) bool { return key.RateLimit != store.RateLimit{} }

// counted is the key of a context whose request has been counted; the value is the id of the API key.
type counted struct{}

// count counts the request of a limited key and tells in h what is left. A request counts once for a key, however many guards
// it passes.
func (g *Guard) count(ctx context.Context, h http.Header, key *store.Key) error {
	if ctx.Value(counted{}) == key.ID {
		return nil
	}
	decision, err := g.Limiter.Take(ctx, key.ID, key.RateLimit)
	if err != nil {
		return fmt.Errorf("keyauth: rate limit: %w: %w", store.ErrUnavailable, err)
	}
	tellLimit(h, key, decision)
	if !decision.Allowed {
		return &waitError{cause: ErrRateLimited, wait: decision.RetryAfter}
	}
	return nil
}

// waitError is a refusal that ends by itself.
type waitError struct {
	cause error
	wait  time.Duration
}

func (e *waitError) Error() string { return e.cause.Error() }

func (e *waitError) Unwrap() error { return e.cause }
