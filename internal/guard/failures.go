package guard

import (
	"errors"
	"net/http"
	"net/netip"

	"github.com/latchkey-go/latchkey/store"
)

// failures counts failed authentications by client address, in the memory of this process.
// store.Limiter limits its memory, also in a flood of addresses, and evicts the addresses with the
// most failures last.
type failures struct {
	limit  store.RateLimit
	counts store.Limiter
}

// newFailures returns nil for the zero limit, which means no limit.
func newFailures(limit store.RateLimit) *failures {
	if limit == (store.RateLimit{}) {
		return nil
	}
	return &failures{limit: limit}
}

// identify returns the key of the token. A client with too many failures is refused before the
// lookup, even with a good token: this saves load, and a guess gets no answer. Concurrent requests
// are all let through and counted after they fail.
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
		_, _ = g.failures.counts.Take(r.Context(), client, g.failures.limit) // the next request is refused; the error is always nil
	}
	return key, err
}

// isFailure reports whether err says that the credential is bad. A key that could not be checked
// (503) may be good, and a good key of the wrong type (403) is not a guess.
func isFailure(err error) bool {
	return errors.Is(err, store.ErrUnauthenticated) && !errors.Is(err, store.ErrUnavailable)
}

// neighbourhood returns the bytes of the network that counts as one client: an IPv4 address, or the
// /64 of an IPv6 address, which one customer usually has (RFC 6177). All unknown addresses count as
// one client, so a client cannot avoid the limit by hiding its address.
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
