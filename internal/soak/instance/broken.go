package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-go/latchkey/store"
)

// Ways to break the guarantee, with which the test proves that its judge notices.
const (
	breakInvalidation = "invalidation" // answers are remembered for 5 s whatever happens, as rivals do
	breakUndecided    = "undecided"    // "cannot be decided" is told as "no such key"
	breakRetryAfter   = "retry-after"  // 503 does not say when to try again

	brokenHelp = breakInvalidation + ", " + breakUndecided + ", " + breakRetryAfter
)

// breakIt puts a fault in front of a sound store.
func breakIt(how string, sound store.Store) (store.Store, error) {
	switch how {
	case "", breakRetryAfter:
		return sound, nil
	case breakInvalidation:
		return &forgetful{Store: sound, known: map[store.LookupID]remembered{}}, nil
	case breakUndecided:
		return presumptuous{sound}, nil
	}
	return nil, fmt.Errorf("-broken %q: want one of %s", how, brokenHelp)
}

// forgetful is a cache that nobody tells anything.
type forgetful struct {
	store.Store
	mu    sync.Mutex
	known map[store.LookupID]remembered
}

type remembered struct {
	found store.Found
	until time.Time
}

func (f *forgetful) Lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {
	f.mu.Lock()
	r, ok := f.known[id]
	f.mu.Unlock()
	if ok && time.Now().Before(r.until) {
		return r.found, nil
	}
	found, err := f.Store.Lookup(ctx, id, redacted)
	if err == nil {
		f.mu.Lock()
		f.known[id] = remembered{found, time.Now().Add(5 * time.Second)}
		f.mu.Unlock()
	}
	return found, err
}

// presumptuous takes silence for "no".
type presumptuous struct{ store.Store }

func (p presumptuous) Lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {
	found, err := p.Store.Lookup(ctx, id, redacted)
	if err != nil {
		return store.Found{FeedID: "none", Head: 1}, nil
	}
	return found, nil
}

func withoutRetryAfter(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Before(func() { c.Response().Header().Del("Retry-After") })
		return next(c)
	}
}
