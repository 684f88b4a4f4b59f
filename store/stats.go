package store

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/latchkey-go/latchkey/internal/observe"
)

// Stats tells what Keys has done since it was made. Except for the waiting uses, the numbers only rise.
type Stats struct {
	// Calls of Authenticate, each in one of these.
	Authenticated uint64
	Malformed     uint64
	Unknown       uint64
	Revoked       uint64
	Expired       uint64
	Forged        uint64
	WrongType     uint64
	Unavailable   uint64 // could not be decided
	Canceled      uint64 // the caller left before it was decided

	// Denied is what guards refused although nothing is wrong with the key, or without looking at
	// one.
	Denied struct {
		NoCredential    uint64 // no key was sent
		Conflict        uint64 // two different keys were sent
		Address         uint64 // the key may not be used from there
		RateLimited     uint64 // the key has made as many requests as it may
		FailuresLimited uint64 // too many bad keys have come from that address
		PlainHTTP       uint64 // the request did not come over TLS
		ForeignOrigin   uint64 // a page of another origin sent a secret key
	}

	Scrypts      uint64 // computations for tokens of imported Medusa keys
	ScryptsBusy  uint64 // tokens that could not be decided because too many were being computed
	Upgraded     uint64 // imported keys that were given their lookup ids
	UpgradesLost uint64 // those for which that failed; their next use tries again

	UsesWaiting int    // last-used times that are still to be written
	UsesWritten uint64 // those that were
	UsesLost    uint64 // uses that were not noted for lack of room
	FlushErrors uint64 // flushes that failed, in whole or in part
	Alarms      uint64 // records that were refused because their proof does not verify, wherever they were met
}

// CountDenial counts a request that a guard of this module refused.
func (k *Keys) CountDenial(d observe.Denial) {
	if d >= 0 && d < observe.Denials {
		k.count.denied[d].Add(1)
	}
}

// counters are the sums behind Stats. Every request raises the tally, everything else is rarer.
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
	case errors.Is(err, ErrMalformed): // first: it is what floods are made of
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

// Stats returns the current numbers. It is cheap, does no I/O, and may be called as often as wanted.
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
	d := &s.Denied
	for denial, n := range map[observe.Denial]*uint64{
		observe.NoCredential: &d.NoCredential, observe.Conflict: &d.Conflict, observe.Address: &d.Address,
		observe.RateLimited: &d.RateLimited, observe.FailuresLimited: &d.FailuresLimited,
		observe.PlainHTTP: &d.PlainHTTP, observe.ForeignOrigin: &d.ForeignOrigin,
	} {
		*n = c.denied[denial].Load()
	}
	return s
}
