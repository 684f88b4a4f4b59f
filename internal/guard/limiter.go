package guard

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// limiterOf returns the Limiter of the config, or the default. A nil pointer in the interface
// counts as not set: it occurs when a program declares a *ratelimit.Limiter and does not always set
// it.
func limiterOf(c Config) Limiter {
	if v := reflect.ValueOf(c.Limiter); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return c.Keys.Limiter()
	}
	return c.Limiter
}

// isLimited reports whether the key has a rate limit, even one that allows nothing.
func isLimited(key *store.Key) bool { return key.RateLimit != store.RateLimit{} }

// counted is a context key: the request has been counted for the API key with the id that is its
// value.
type counted struct{}

// count counts the request of a limited key and sets the RateLimit fields in h. A request counts
// once per key, however many guards it passes.
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

// waitError is a refusal that ends after wait.
type waitError struct {
	cause error
	wait  time.Duration
}

func (e *waitError) Error() string { return e.cause.Error() }

func (e *waitError) Unwrap() error { return e.cause }
