package redisfault

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errGone = errors.New("gone")

// A breaker opens after 8 failures, and half of all calls, within a second or without a success
// between them.
func TestBreaker(t *testing.T) {
	for _, test := range []struct {
		name  string
		every time.Duration
		calls string // + has succeeded, - has failed
		opens bool
	}{
		{"eight failures", time.Millisecond, "--------", true},
		{"seven failures", time.Millisecond, "-------", false},
		{"eight failures, however rare", time.Minute, "--------", true},
		{"eight failures after successes", time.Millisecond, "++++++++--------", true},
		{"eight failures among more successes", time.Millisecond, "-+-+-+-+-+-+-++-+", false},
		{"successes long ago do not count", 100 * time.Millisecond, "++++++++++++++++++++------------------", true},
		{"failures of other seconds do not count", 300 * time.Millisecond, "-----+-----+-----+", false},
		{"a success closes it", time.Millisecond, "--------+", false},
		{"and all begins again", time.Millisecond, "--------+-------", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				open := false
				b := &Breaker{OnChange: func(_, is Fault, _ error) { open = is.Word != "" }}
				for _, call := range test.calls {
					time.Sleep(test.every)
					if call == '+' {
						b.Succeeded()
					} else {
						b.Failed(errGone)
					}
					if open == b.Closed() {
						t.Errorf("reported: %v, closed: %v", open, b.Closed())
					}
				}
				if b.Closed() == test.opens {
					t.Errorf("%s: closed: %v", test.calls, b.Closed())
				}
			})
		})
	}
}

// Failures that come together are no successes of each other.
func TestBreakerCountsFailuresThatComeTogether(t *testing.T) {
	var now time.Time
	b := Breaker{now: func() time.Time { return now }}
	for burst := 2; burst < maxFailures; burst++ {
		now = now.Add(2 * window)
		var all sync.WaitGroup
		b.mu.Lock()
		for range burst {
			all.Go(func() { b.Failed(errGone) })
		}
		time.Sleep(5 * time.Millisecond) // most of them have come as far as they can
		b.mu.Unlock()
		all.Wait()
	}
	if b.Closed() {
		t.Error("closed after 27 failures and no success")
	}
}

// answered is an error as go-redis returns what the server has said.
type answered string

func (a answered) Error() string { return string(a) }
func (answered) RedisError()     {}

func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name   string
		do     func(b *Breaker)
		word   string   // afterwards
		events []string // what OnChange was called with
	}{
		{"one opens", func(b *Breaker) { b.Failed(answered("READONLY x")) }, "READONLY", []string{"READONLY"}},
		{"a thousand of them are one", func(b *Breaker) {
			for range 1000 {
				b.Failed(answered("READONLY x"))
				b.Succeeded()
			}
		}, "READONLY", []string{"READONLY"}},
		{"only a probe ends it", func(b *Breaker) {
			b.Failed(answered("READONLY x"))
			b.Succeeded()
			b.Probed()
		}, "", []string{"READONLY", ""}},
		{"seven errors about single keys open nothing", func(b *Breaker) {
			for range 7 {
				b.Failed(answered("WRONGTYPE x"))
			}
		}, "", []string{}},
		{"eight do, and any success ends it", func(b *Breaker) {
			for range 8 {
				b.Failed(answered("WRONGTYPE x"))
			}
			b.Failed(errGone)
			b.Succeeded()
		}, "", []string{"ERR", ""}},
		{"a server that is gone for a moment goes on refusing", func(b *Breaker) {
			b.Failed(answered("READONLY x"))
			for range 100 {
				b.Failed(errGone)
				b.Failed(answered("READONLY x"))
			}
		}, "READONLY", []string{"READONLY"}},
		{"a server that is gone for long is gone, and any success ends that", func(b *Breaker) {
			b.Failed(answered("READONLY x"))
			for range 8 {
				b.Failed(errGone)
			}
			b.Succeeded()
		}, "", []string{"READONLY", "UNREACHABLE", ""}},
		{"a server that comes back and refuses", func(b *Breaker) {
			for range 8 {
				b.Failed(errGone)
			}
			b.Failed(answered("LOADING x"))
			b.Failed(answered("NOAUTH x"))
			b.Succeeded()
		}, "NOAUTH", []string{"UNREACHABLE", "LOADING", "NOAUTH"}},
		{"words that come in turns are reported once each", func(b *Breaker) {
			for range 100 {
				b.Failed(answered("READONLY x"))
				b.Failed(answered("CLUSTERDOWN x"))
			}
		}, "CLUSTERDOWN", []string{"READONLY", "CLUSTERDOWN"}},
		{"one that comes back ends when probes have succeeded for a while", func(b *Breaker) {
			b.Failed(answered("OOM x"))
			b.Probed()
			b.Failed(answered("OOM x"))
			b.Probed()
			time.Sleep(time.Second / 2)
			b.Probed()
		}, "OOM", []string{"OOM", "", "OOM"}},
		{"an hour at the edge of the memory is not an hour of log lines", func(b *Breaker) {
			for range 3600 * 5 {
				if b.Closed() {
					b.Failed(answered("OOM x"))
				}
				time.Sleep(pause)
				b.Probed()
			}
			for !b.Closed() {
				time.Sleep(pause)
				b.Probed()
			}
		}, "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var events []string
				b := &Breaker{OnChange: func(was, is Fault, err error) {
					if is.Word != "" && is.Word != Word(err) {
						t.Errorf("%s because of %v", is.Word, err)
					}
					if was == is {
						t.Errorf("nothing has changed: %v", is)
					}
					events = append(events, is.Word)
				}}
				test.do(b)
				if got := b.Fault().Word; got != test.word || b.Closed() != (got == "") {
					t.Errorf("fault %q, closed %v, want %q", got, b.Closed(), test.word)
				}
				if test.events == nil {
					if len(events) > 80 {
						t.Errorf("%d lines", len(events))
					}
				} else if !slices.Equal(events, test.events) {
					t.Errorf("events %q, want %q", events, test.events)
				}
			})
		})
	}
}
