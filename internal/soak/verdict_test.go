package soak_test

import (
	"errors"
	"testing"
)

func TestJudge(t *testing.T) {
	alive := func() *key { return &key{created: 10, changes: []promise{{version: 2, at: 50}}} }
	dead := func() *key { k := alive(); k.revoking, k.revoked = 90, 100; return k }
	doubtful := func() *key { k := dead(); k.unapplied = true; return k }
	down := errors.New("connection reset")
	for _, c := range []struct {
		name              string
		a                 answer
		tolerant, mayLose bool
		want              verdict
	}{
		{"a valid key is let in", answer{key: alive(), began: 60, ended: 61, status: 200, version: 2}, false, false, fine},
		{"a revoked key is let in", answer{key: dead(), began: 101, ended: 102, status: 200, version: 2}, false, false, lateAccept},
		{"a request that began before the revoke returned may be let in", answer{key: dead(), began: 100, ended: 200, status: 200, version: 2}, false, false, fine},
		{"a revoked key is refused", answer{key: dead(), began: 101, ended: 102, status: 401}, false, false, fine},
		{"a key whose revoke is under way is refused", answer{key: dead(), began: 80, ended: 95, status: 401}, false, false, fine},
		{"a valid key is refused with 401", answer{key: alive(), began: 11, ended: 12, status: 401}, false, false, wrongly},
		{"a valid key is refused with 403", answer{key: alive(), began: 11, ended: 12, status: 403}, false, false, wrongly},
		{"a key is refused before its revoke was sent", answer{key: dead(), began: 70, ended: 80, status: 401}, false, false, wrongly},
		{"a key is refused while it is being created", answer{key: alive(), began: 10, ended: 12, status: 401}, false, false, fine},
		{"a key is let in while it is being created", answer{key: alive(), began: 5, ended: 6, status: 200, version: 1}, false, false, fine},
		{"an old version is let in", answer{key: alive(), began: 51, ended: 52, status: 200, version: 1}, false, false, lateState},
		{"an old version may be seen until the change returns", answer{key: alive(), began: 50, ended: 52, status: 200, version: 1}, false, false, fine},
		{"503 with Retry-After", answer{key: alive(), began: 60, status: 503, retryAfter: "1"}, false, false, undecided},
		{"503 without", answer{key: alive(), began: 60, status: 503}, false, false, mute},
		{"500", answer{key: alive(), began: 60, status: 500}, false, false, strange},
		{"an unknown token is refused", answer{began: 60, status: 401}, false, false, fine},
		{"an unknown token is let in", answer{began: 60, status: 200}, false, false, strange},
		{"no answer", answer{key: alive(), err: down}, false, false, silent},
		{"no answer from an instance that was killed", answer{key: alive(), err: down, excused: true}, false, false, lost},
		{"the exception needs an instance that has not heard the feed", answer{key: doubtful(), began: 101, status: 200, version: 2}, true, true, lateAccept},
		{"the exception needs a second fault", answer{key: dead(), began: 101, status: 200, version: 2, stale: true}, true, false, lateAccept},
		{"the exception: Redis loses writes", answer{key: dead(), began: 101, status: 200, version: 2, stale: true}, true, true, exception},
		{"the exception: Redis never got the change", answer{key: doubtful(), began: 101, status: 200, version: 2, stale: true}, true, false, exception},
		{"strict mode knows no exception", answer{key: doubtful(), began: 101, status: 200, version: 2, stale: true}, false, true, lateAccept},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := judge(c.a, c.tolerant, c.mayLose); got != c.want {
				t.Errorf("judged %q, want %q", got, c.want)
			}
		})
	}
}
