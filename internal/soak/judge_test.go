package soak_test

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// moment is a reading of the only clock that counts: the monotonic one of this process, since the
// test began. 0 means never.
type moment time.Duration

// key is a key as its owner knows it: what was promised about it, and when.
type key struct {
	id, token string

	mu       sync.Mutex
	created  moment // creation had returned success
	revoking moment // the first revoke was sent
	revoked  moment // a revoke had returned success
	changes  []promise
	// unapplied: while a change of this key was made, Redis failed its maker. Then Redis may be
	// behind, which with a second fault is the one exception of the guarantee (protocol 9).
	unapplied bool
}

// promise is a change that had returned success: from then on no older version of the key may be
// seen.
type promise struct {
	version int64
	at      moment
}

// newest returns the newest version that had been promised before t.
func (k *key) newest(t moment) int64 {
	var v int64
	for _, p := range k.changes {
		if p.at < t {
			v = max(v, p.version)
		}
	}
	return v
}

// answer is what came back for one request.
type answer struct {
	key          *key // nil: a token that no key has
	lookup       bool // the key was used, not managed
	instance     int
	began, ended moment
	err          error // of the transport; then nothing below is set
	status       int
	retryAfter   string
	version      int64 // of the key, with 200
	// stale: before or after, the instance had not heard the feed for a lease.
	stale bool
	// redisFailed: meanwhile Redis failed this instance, for this request or another.
	redisFailed bool
	// excused: the instance was killed or stopped at some time between began and ended.
	excused bool
}

// verdict is what the judge says of an answer. Those that begin with "VIOLATION" fail the test.
type verdict string

const (
	fine       verdict = ""
	undecided  verdict = "cannot be decided"
	lost       verdict = "lost with its instance"
	exception  verdict = "two faults at once"
	lateAccept verdict = "VIOLATION: accepted after its revoke had returned"
	lateState  verdict = "VIOLATION: answered from before a change that had returned"
	wrongly    verdict = "VIOLATION: valid key refused"
	mute       verdict = "VIOLATION: 503 without Retry-After"
	strange    verdict = "VIOLATION: unexpected status"
	silent     verdict = "VIOLATION: no answer from a live instance"
)

// judge applies the guarantee. tolerant says that the two-fault exception counts as one: outside
// strict mode, for an instance that has not heard the feed, and only where Redis had lost or never
// got the change. mayLose says that Redis may lose writes at that time.
func judge(a answer, tolerant, mayLose bool) verdict {
	switch {
	case a.err != nil && a.excused:
		return lost
	case a.err != nil:
		return silent
	case a.status == http.StatusServiceUnavailable && a.retryAfter == "":
		return mute
	case a.status == http.StatusServiceUnavailable:
		return undecided
	case a.key == nil && a.status == http.StatusUnauthorized:
		return fine
	case a.key == nil:
		return strange
	}
	k := a.key
	k.mu.Lock()
	defer k.mu.Unlock()
	excepted := tolerant && a.stale && (mayLose || k.unapplied)
	switch a.status {
	case http.StatusOK:
		switch {
		case k.revoked != 0 && k.revoked < a.began:
			if excepted {
				return exception
			}
			return lateAccept
		case a.version < k.newest(a.began):
			if excepted {
				return exception
			}
			return lateState
		}
		return fine
	case http.StatusUnauthorized, http.StatusForbidden:
		valid := k.created != 0 && k.created < a.began && (k.revoking == 0 || k.revoking > a.ended)
		if valid {
			return wrongly
		}
		return fine
	}
	return strange
}

// violation is a verdict with its evidence.
type violation struct {
	verdict verdict
	phase   string
	answer  answer
}

func (v violation) String() string {
	a := v.answer
	s := fmt.Sprintf("%s: during %q, instance %d, request %v to %v, status %d, version %d, stale %t",
		v.verdict, v.phase, a.instance, time.Duration(a.began), time.Duration(a.ended), a.status, a.version, a.stale)
	if a.err != nil {
		s += ", error: " + a.err.Error()
	}
	if k := a.key; k != nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		s += fmt.Sprintf("; key %s: created %v, revoking %v, revoked %v, changes %v, unapplied %t",
			k.id, time.Duration(k.created), time.Duration(k.revoking), time.Duration(k.revoked), k.changes, k.unapplied)
	}
	return s
}
