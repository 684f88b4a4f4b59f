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
	// Timeout is how long a request waits for Redis before it is counted in this process. Optional.
	// Default: 50 ms; at least 1 ms.
	Timeout time.Duration
	// KeyPrefix is the prefix of all names in Redis. Programs with the same prefix and keys share
	// limits. Optional. Printable ASCII without spaces and braces, at most 64 bytes. Default:
	// "latchkey:rate".
	KeyPrefix string
	// Logger receives a message when Redis fails and when it works again. Optional. Default:
	// slog.Default().
	Logger *slog.Logger
}

// New returns a Limiter on rdb with the default Options. If rdb is nil (or a nil pointer), requests
// are counted in this process.
func New(rdb redis.UniversalClient) *Limiter {
	l, err := Options{}.New(rdb)
	if err != nil {
		panic(err) // the zero Options are valid
	}
	return l
}

// New returns a Limiter on rdb, or an error that matches store.ErrInvalid. If rdb is nil (or a nil
// pointer), requests are counted in this process. Redis does not have to be reachable. The caller
// closes the client. A Limiter needs no Close: abandoned calls end with the client's timeouts, or
// when the client is closed.
func (o Options) New(rdb redis.UniversalClient) (*Limiter, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	var shared counter
	if !isNil(rdb) {
		shared = newRedisCounter(rdb, o.KeyPrefix)
	}
	return newLimiter(o, shared), nil
}

// setDefaults sets the defaults and validates the options.
func (o *Options) setDefaults() error {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Timeout < time.Millisecond {
		return store.Errorf(store.ErrInvalid, "ratelimit: Timeout is %v; the minimum is %v", o.Timeout, time.Millisecond)
	}
	if o.KeyPrefix == "" {
		o.KeyPrefix = DefaultKeyPrefix
	}
	if len(o.KeyPrefix) > 64 || strings.ContainsFunc(o.KeyPrefix, func(c rune) bool { return c <= ' ' || c > '~' || c == '{' || c == '}' }) {
		return store.Errorf(store.ErrInvalid,
			"ratelimit: KeyPrefix %.100q is not 1 to 64 characters of ASCII without spaces and braces", o.KeyPrefix)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}

// isNil reports whether rdb is nil or an interface with a nil pointer, such as an unset
// *redis.Client.
func isNil(rdb redis.UniversalClient) bool {
	v := reflect.ValueOf(rdb)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}
