package main

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
)

// config is what the environment says. The table of variables is in docs/configuration.md.
type config struct {
	addr         string
	database     dburl.Database
	redis        *redis.UniversalOptions // nil: the cache is in the process only
	sealer       *store.Sealer           // nil: no peppers
	reseal       resealing
	adminKey     string // "": one is minted and printed
	medusa       bool
	maxFailures  store.RateLimit // zero: failed authentications are not limited
	storeOrigins []string
	adminOrigins []string
	drainDelay   time.Duration // between the signal to stop and the end of listening
}

// resealing is what to do at start with keys whose proof was not made with the current pepper.
type resealing string

const (
	resealNothing resealing = ""      // they work if their pepper is still configured
	resealProven  resealing = "1"     // prove them anew with the current pepper
	resealAll     resealing = "adopt" // and prove those that have no proof: for the day on which peppers are introduced
)

// readConfig reads the environment. Its errors are one line, name the variable and never show its
// value: most of these values hold a password.
func readConfig(getenv func(string) string) (config, error) {
	r := reader{getenv: getenv}
	c := config{
		addr:         cmp.Or(getenv("ADDR"), "127.0.0.1:9000"),
		database:     read(&r, "DATABASE_URL", parseDatabase),
		redis:        read(&r, "REDIS_URL", parseRedis),
		sealer:       read(&r, "LATCHKEY_PEPPERS", func(s string) (*store.Sealer, error) { return store.NewSealer(list(s)) }),
		reseal:       read(&r, "LATCHKEY_RESEAL", parseResealing),
		adminKey:     read(&r, "ADMIN_KEY", parseAdminKey),
		medusa:       read(&r, "MEDUSA_COMPAT", parseSwitch),
		maxFailures:  read(&r, "MAX_FAILURES", parseFailures),
		storeOrigins: read(&r, "STORE_CORS", parseOrigins),
		adminOrigins: read(&r, "ADMIN_CORS", parseOrigins),
		drainDelay:   read(&r, "DRAIN_DELAY", parseDelay),
	}
	if r.err == nil && c.reseal != resealNothing && c.sealer == nil {
		r.err = errors.New("LATCHKEY_RESEAL needs LATCHKEY_PEPPERS")
	}
	return c, r.err
}

// reader keeps the first error, so that readConfig can be read as a table.
type reader struct {
	getenv func(string) string
	err    error
}

func read[T any](r *reader, name string, parse func(string) (T, error)) T {
	value, err := parse(strings.TrimSpace(r.getenv(name)))
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%s: %w", name, err)
	}
	return value
}

func parseResealing(s string) (resealing, error) {
	switch r := resealing(s); r {
	case resealNothing, resealProven, resealAll:
		return r, nil
	}
	return resealNothing, errors.New(`must be "1" or "adopt"`)
}

func parseAdminKey(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	token, err := store.ParseToken(s)
	if err != nil || token.Type() != store.Secret {
		return "", errors.New(`is not a well-formed secret token (try: echo sk_$(openssl rand -hex 32))`)
	}
	if token.IsPlaceholder() {
		return "", errors.New(`looks like a placeholder (try: echo sk_$(openssl rand -hex 32))`)
	}
	return s, nil
}

func parseSwitch(s string) (bool, error) {
	switch s {
	case "", "0":
		return false, nil
	case "1":
		return true, nil
	}
	return false, errors.New(`must be "1" or "0"`)
}

// parseFailures reads how many failed authentications an address may make in a minute; "" is any
// number.
func parseFailures(s string) (store.RateLimit, error) {
	if s == "" {
		return store.RateLimit{}, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return store.RateLimit{}, errors.New("must be a whole number, at least 1: how many failed authentications an address may make in a minute")
	}
	return store.RateLimit{Requests: n, Window: time.Minute}, nil
}

// parseDelay reads how long to go on answering after the signal to stop; "" is not at all.
func parseDelay(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > 10*time.Minute {
		return 0, errors.New("must be a time between 0s and 10m, like 5s")
	}
	return d, nil
}

// list splits at commas and leaves out what is empty.
func list(s string) []string {
	var parts []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
