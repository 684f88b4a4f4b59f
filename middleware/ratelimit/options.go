package ratelimit

import (
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/store"
)

// Defaults of Options.
const (
	DefaultTimeout   = 50 * time.Millisecond
	DefaultKeyPrefix = "latchkey:rate"
)

// Options are the settings of a Limiter. The zero value is ready to use.
type Options struct {
	// Timeout is the most that a request waits for Redis before it is counted in this process.
	// Optional. Default: 50 ms; at least 1 ms.
	Timeout time.Duration
	// KeyPrefix is what all names in Redis start with. Programs with the same prefix and keys share limits.
	// Optional. Printable ASCII without spaces and braces, at most 64 bytes. Default: "latchkey:rate".
	KeyPrefix string
	// Logger hears when Redis is given up for a while, and when it is back.
	// Optional. Default: slog.Default().
	Logger *slog.Logger
}

// New returns a Limiter over rdb with the default Options. rdb may be nil (or a nil pointer): then all is counted in this process.
func New(rdb redis.UniversalClient) *Limiter {
	l, err := Options{}.New(rdb)
	if err != nil {
		panic(err) // the zero Options are good
	}
	return l
}

// New returns a Limiter over rdb, or an error that matches store.ErrInvalid. rdb may be nil (or a nil pointer): then all is counted
// in this process. Redis does not have to be reachable. The client stays the caller's. There is nothing to close: calls that nobody
// waits for any more end with the client's own timeouts, or when it is closed.
func (o Options) New(rdb redis.UniversalClient) (*Limiter, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	var shared counter
	if !isNil(rdb) {
		shared = newRedisCounter(rdb, o.KeyPrefix)
	}
	return newLimiter(o, shared), nil
}

// complete puts in the defaults and checks the rest.
func (o *Options) complete() error {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Timeout < time.Millisecond {
		return store.Errorf(store.ErrInvalid, "ratelimit: Timeout is %v; the least is %v", o.Timeout, time.Millisecond)
	}
	if o.KeyPrefix == "" {
		o.KeyPrefix = DefaultKeyPrefix
	}
	if len(o.KeyPrefix) > 64 || strings.ContainsFunc(o.KeyPrefix, func(c rune) bool { return c <= ' ' || c > '~' || c == '{' || c == '}' }) {
		return store.Errorf(store.ErrInvalid, "ratelimit: KeyPrefix %.100q is not 1 to 64 characters of ASCII without spaces and braces", o.KeyPrefix)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}

// isNil also finds the nil pointer in an interface, which programs make when they declare a *redis.Client that they do not always fill.
func isNil(rdb redis.UniversalClient) bool {
	v := reflect.ValueOf(rdb)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}
