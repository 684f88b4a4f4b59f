package cache

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// host is a machine: its clocks, its connections, and the process that runs on it, one after the
// other.
type host struct {
	w     *world
	index int

	mu        sync.Mutex
	boot      time.Duration // of the monotonic clock, when the run began
	wall      time.Duration // of the wall clock, when the run began; jumps go in here
	rate      int64         // how much faster its clocks run than time does, in millionths
	suspended time.Duration // for how long the monotonic clock has stood still
	since     time.Duration // since when it stands still; -1: it does not

	// suspends says whether it is this machine's monotonic clock that may stand still, or its wall
	// clock that may be set back. Both within one lease are what the last line of the table in
	// protocol 9 is about: no clock shows that time has passed.
	suspends bool

	toStore, toRedis weather
	branch           int // of Redis, while there are two
	trouble          trouble
	current          atomic.Pointer[process] // nil: none runs
	starts           int
	level            int         // of the programs that it runs; 0: of this one
	rounds           chan func() // of reads, for goroutines that have nothing to do
}

// sample reads both clocks.
func (h *host) sample() instant {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.w.now()
	awake := now - h.suspended
	if h.since >= 0 {
		awake -= now - h.since
	}
	return instant{
		mono: h.boot + awake + awake*time.Duration(h.rate)/1_000_000,
		wall: h.wall + now + now*time.Duration(h.rate)/1_000_000,
	}
}

// process is one life of an instance: a real Cache whose store, Redis and clock are simulated.
type process struct {
	host  *host
	name  int // as the trace knows it
	level int // the level in its row; 0: as it is
	cache *Cache

	dead      atomic.Bool // killed: nothing that it does has an effect any more
	leaving   atomic.Bool // being closed
	disturbed atomic.Bool // frozen or pausing: its clock must look twice
	frozen    atomic.Pointer[chan struct{}]
	pausing   atomic.Bool // its goroutines are held up for a moment, now and then
	reading   atomic.Int64

	stopReaders func()
}

var errDead = fmt.Errorf("simulation: this process has been killed: %w", store.ErrUnavailable)

// standStill returns when the process is not frozen. What stood still goes on one after the other.
func (p *process) standStill() {
	frozen := p.frozen.Load()
	if frozen == nil {
		return
	}
	c := p.host.w.chance("thaw", p.host.index, 0)
	after := c.skewed(1, 3*time.Millisecond)
	for ; frozen != nil; frozen = p.frozen.Load() {
		<-*frozen
		time.Sleep(after)
	}
}

// freeze stops the process as SIGSTOP does, as far as the simulation sees it: nothing is sent,
// received or read from a clock.
func (p *process) freeze() {
	c := make(chan struct{})
	p.frozen.Store(&c)
	p.disturbed.Store(true)
}

func (p *process) thaw() {
	if c := p.frozen.Swap(nil); c != nil {
		close(*c)
	}
	p.disturbed.Store(p.pausing.Load())
}

// processClock is the clock of one process. A reader may be paused before or after the reading.
type processClock struct{ p *process }

// byWall is what clocks read that are not the system's.
func byWall(now instant) (instant, time.Time) { return now, now.time() }

func (c processClock) read() (instant, time.Time) { return byWall(c.now()) }

func (c processClock) now() instant {
	p := c.p
	now := p.host.sample()
	if !p.disturbed.Load() {
		return now
	}
	pc, _, _, _ := runtime.Caller(1)
	who := runtime.FuncForPC(pc).Name()
	ch := p.host.w.chance("clock", p.host.index, mixText(0, who))
	before := ch.percent(50)
	switch {
	case p.frozen.Load() != nil:
		p.standStill()
	case ch.percent(90), strings.HasSuffix(who, ".settle"):
		// What comes to settle meanwhile it would take in any order, and the run would not be the
		// same again.
		return now
	default:
		time.Sleep(ch.skewed(1, 400*time.Millisecond))
	}
	if before {
		return now
	}
	return p.host.sample()
}

// condition is what is wrong with a connection or a server. The zero value: nothing.
type condition struct {
	only   string        // this command or statement alone; "": all
	refuse bool          // errors at once
	hang   bool          // no answer
	slow   time.Duration // each way takes up to this
	wait   time.Duration // answers take so much longer
	late   int           // percent of the requests that have their effect long after
	twice  int           // percent of the requests that have their effect twice
	mute   int           // percent of the answers that get lost
}

// weather is all that is wrong with a connection or a server at a moment. It is guarded by the
// world's mutex.
type weather struct{ now []*condition }

func (w *weather) begin(c *condition) { w.now = append(w.now, c) }

func (w *weather) end(c *condition) {
	w.now = slices.DeleteFunc(w.now, func(other *condition) bool { return other == c })
}

// merge returns what is wrong for one command or statement.
func merge(what string, all ...*weather) condition {
	var m condition
	for _, w := range all {
		for _, c := range w.now {
			if c.only != "" && c.only != what {
				continue
			}
			m.refuse = m.refuse || c.refuse
			m.hang = m.hang || c.hang
			m.slow = max(m.slow, c.slow)
			m.wait = max(m.wait, c.wait)
			m.late = max(m.late, c.late)
			m.twice = max(m.twice, c.twice)
			m.mute = max(m.mute, c.mute)
		}
	}
	return m
}

// trouble is when a host last could not use the store.
type trouble struct {
	now  int
	last time.Duration
}

func (t *trouble) begin() { t.now++ }

func (t *trouble) end(at time.Duration) { t.now--; t.last = at }

// since reports whether there has been any since a moment.
func (t *trouble) since(at time.Duration) bool { return t.now > 0 || t.last >= at }

// sleep reports whether it could sleep so long before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	done := ctx.Done()
	if done == nil {
		time.Sleep(d)
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-done:
		return false
	}
}
