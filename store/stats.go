package store

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/latchkey-go/latchkey/internal/observe"
)

// Stats counts what Keys has done since it was created. Except UsesWaiting, the numbers only
// increase.
type Stats struct {
	// The results of Authenticate; each call is counted in one of these.
	Authenticated uint64
	Malformed     uint64
	Unknown       uint64
	Revoked       uint64
	Expired       uint64
	Forged        uint64
	WrongType     uint64
	Unavailable   uint64 // could not be checked (ErrUnavailable)
	Canceled      uint64 // the caller canceled the context first

	// Denied counts what guards refused for a reason other than a bad key, or without a lookup.
	Denied struct {
		NoCredential    uint64 // no key was sent
		Conflict        uint64 // two different keys were sent
		Address         uint64 // the key may not be used from this address
		RateLimited     uint64 // the key exceeded its rate limit
		FailuresLimited uint64 // too many failed attempts from this address
		PlainHTTP       uint64 // the request did not come over TLS
		ForeignOrigin   uint64 // a page of another origin sent a secret key
	}

	Scrypts      uint64 // scrypt computations for tokens of imported Medusa keys
	ScryptsBusy  uint64 // tokens that were not checked because too many computations were running
	Upgraded     uint64 // imported keys that got their lookup ids
	UpgradesLost uint64 // failed upgrades; the next use of the key tries again

	UsesWaiting int    // last-used times that wait to be written
	UsesWritten uint64 // last-used times that were written
	UsesLost    uint64 // uses that were dropped because too many were waiting
	FlushErrors uint64 // flushes that failed completely or partly
	Alarms      uint64 // times that a record with an invalid proof was found, anywhere
}

// CountDenial counts a request that a guard of this module refused.
func (k *Keys) CountDenial(d observe.Denial) {
	if d >= 0 && d < observe.Denials {
		k.count.denied[d].Add(1)
	}
}

// counters are the sums behind Stats. Every successful request increments authenticated; all others
// are less frequent.
type counters struct {
	authenticated shardedCounter
	malformed, unknown, revoked, expired, forged, wrongType, unavailable, canceled,
	scrypts, scryptsBusy, upgraded, upgradesLost, usesWritten, usesLost, flushErrors, alarms atomic.Uint64
	denied [observe.Denials]atomic.Uint64
}

// failed counts an authentication that ended with err.
func (c *counters) failed(ctx context.Context, err error) {
	var n *atomic.Uint64
	switch {
	case errors.Is(err, ErrMalformed): // first, because floods of bad tokens are malformed
		n = &c.malformed
	case errors.Is(err, ErrUnavailable) && errors.Is(ctx.Err(), context.Canceled):
		n = &c.canceled
	case errors.Is(err, ErrUnavailable):
		n = &c.unavailable
	case errors.Is(err, ErrWrongType):
		n = &c.wrongType
	case errors.Is(err, ErrRevoked):
		n = &c.revoked
	case errors.Is(err, ErrExpired):
		n = &c.expired
	case errors.Is(err, ErrForged):
		n = &c.forged
	default:
		n = &c.unknown
	}
	n.Add(1)
}

// Stats returns the current numbers. It is cheap and does no I/O.
func (k *Keys) Stats() Stats {
	c := &k.count
	s := Stats{
		Authenticated: c.authenticated.load(),
		Malformed:     c.malformed.Load(),
		Unknown:       c.unknown.Load(),
		Revoked:       c.revoked.Load(),
		Expired:       c.expired.Load(),
		Forged:        c.forged.Load(),
		WrongType:     c.wrongType.Load(),
		Unavailable:   c.unavailable.Load(),
		Canceled:      c.canceled.Load(),
		Scrypts:       c.scrypts.Load(),
		ScryptsBusy:   c.scryptsBusy.Load(),
		Upgraded:      c.upgraded.Load(),
		UpgradesLost:  c.upgradesLost.Load(),
		UsesWaiting:   k.uses.count(),
		UsesWritten:   c.usesWritten.Load(),
		UsesLost:      c.usesLost.Load(),
		FlushErrors:   c.flushErrors.Load(),
		Alarms:        c.alarms.Load(),
	}
	denied := func(d observe.Denial) uint64 { return c.denied[d].Load() }
	s.Denied.NoCredential = denied(observe.NoCredential)
	s.Denied.Conflict = denied(observe.Conflict)
	s.Denied.Address = denied(observe.Address)
	s.Denied.RateLimited = denied(observe.RateLimited)
	s.Denied.FailuresLimited = denied(observe.FailuresLimited)
	s.Denied.PlainHTTP = denied(observe.PlainHTTP)
	s.Denied.ForeignOrigin = denied(observe.ForeignOrigin)
	return s
}
