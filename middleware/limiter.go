package middleware

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// A Limiter counts the requests of keys that have a rate limit (store.Key.RateLimit). *store.Limiter counts in the memory of the process,
// package middleware/ratelimit in Redis, for all instances of a program together.
type Limiter interface {
	// Take must count one request of the key with that id, and say whether limit allows it. A guard asks it once for each request of a
	// key with a limit, and for no other. It must be safe for concurrent use, and quick: the request waits for it. An error means that nobody knows;
	// the request is then refused with 503. A Limiter that would rather let it through must say so itself.
	Take(ctx context.Context, keyID string, limit store.RateLimit) (store.Decision, error)
}

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
func (g *guard) count(ctx context.Context, h http.Header, key *store.Key) error {
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
