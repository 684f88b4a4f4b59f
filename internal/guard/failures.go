package guard

import (
	"errors"
	"net/http"
	"net/netip"

	"github.com/latchkey-go/latchkey/store"
)

// failures counts failed authentications by the address of the client, in the memory of the process. A flood of addresses costs no more
// memory than store.Limiter allows, and does not free those that have failed most.
type failures struct {
	limit  store.RateLimit
	counts store.Limiter
}

// newFailures returns nil for the zero limit: nothing is counted.
func newFailures(limit store.RateLimit) *failures {
	if limit == (store.RateLimit{}) {
		return nil
	}
	return &failures{limit: limit}
}

// identify returns the key that the token belongs to. Who has failed too often is refused whatever the token is, and before anything
// is looked up: the point is to spare the store, and to give a guesser no answer. Requests that are under way together are let through
// together, and counted when they have failed.
func (g *Guard) identify(r *http.Request, clientIP func(*http.Request) string, token string) (*store.Key, error) {
	if g.failures == nil {
		return g.Keys.Authenticate(r.Context(), token, g.Types...)
	}
	client := neighbourhood(g.clientAddr(r, clientIP))
	if d := g.failures.counts.Peek(client, g.failures.limit); !d.Allowed {
		return nil, &waitError{cause: ErrTooManyFailures, wait: d.RetryAfter}
	}
	key, err := g.Keys.Authenticate(r.Context(), token, g.Types...)
	if isFailure(err) {
		_, _ = g.failures.counts.Take(r.Context(), client, g.failures.limit) // the next request is told; the error is always nil
	}
	return key, err
}

// isFailure reports whether err says that the credential is bad. What could not be decided (503) says nothing about it, and a good key
// in the wrong place (403) is no guess.
func isFailure(err error) bool {
	return errors.Is(err, store.ErrUnauthenticated) && !errors.Is(err, store.ErrUnavailable)
}

// neighbourhood returns the bytes of the network that counts as one client: an IPv4 address, or the /64 of an IPv6 one, which is
// what a single customer is given (RFC 6177). All unknown addresses are one client: nobody escapes by hiding his.
func neighbourhood(addr netip.Addr) string {
	switch {
	case addr.Is4():
		b := addr.As4()
		return string(b[:])
	case addr.Is6():
		b := addr.As16()
		return string(b[:8])
	}
	return ""
}
