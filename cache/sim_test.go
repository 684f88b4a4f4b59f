package cache

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	simSeed      = flag.Int64("sim.seed", -1, "run the simulation with this seed only, and print everything that happens when it fails")
	simSeeds     = flag.Uint64("sim.seeds", 0, "how many seeds; 0: as many as a test run should have")
	simFor       = flag.Duration("sim.for", 0, "run new seeds for so long; 0: the same few every time")
	simFaults    = flag.String("sim.faults", "any", "the faults that happen, by name, separated by commas, in strict mode; any: all of them, in all modes")
	simMutations = flag.String("sim.mutations", "", "TestMutations breaks the rules whose names match this; . is all of them")
	simFirst     = flag.Uint64("sim.first", 0, "the first seed; 0: 1, and with -sim.for one that has not been")
)

// draw makes the setup of a random run from its seed.
func draw(w *world) setup {
	c := w.chance("setup", 0, 0)
	s := setup{
		hosts: 3, keys: 1 + c.below(3), lasts: c.between(2*time.Second, 6*time.Second), without: -1,
		l1TTL: time.Minute, reads: c.between(5*time.Millisecond, 30*time.Millisecond), changes: c.between(80*time.Millisecond, 800*time.Millisecond),
		maxStale: Strict,
	}
	if c.percent(15) {
		s.hosts = 2 + c.below(3)
	}
	if c.percent(30) {
		s.l1TTL = time.Second
	}
	if c.percent(10) {
		s.without = c.below(s.hosts)
	}
	if c.percent(10) {
		s.slowest = c.between(1100*time.Millisecond, 2*time.Second)
	}
	if c.percent(20) {
		s.redacted = "sk_sim***sim"
	}
	if c.percent(4) { // longer than a membership row lives
		s.lasts, s.reads = 50*time.Second, 60*time.Millisecond
	}
	s.noRedis = c.percent(6)
	s.peppers = c.percent(30)
	rows := w.chance("setup", 0, 1)
	s.wakes = wakes(rows.below(3))
	apart := 1 + rows.below(s.hosts-1)
	if *simFaults != "any" {
		s.name, s.noRedis = "strict", strings.Contains(*simFaults, "no redis")
		if strings.Contains(*simFaults, "less redis") {
			s.apart, s.anyway = apart, true
		}
		return s
	}
	switch roll := c.below(100); {
	case roll < 35:
		s.name = "strict"
	case roll < 45:
		s.name = "lossy"
	case roll < 80:
		s.name, s.maxStale = "one fault", DefaultMaxStale
	default:
		s.name, s.maxStale = "mixed", c.between(2*time.Second, 6*time.Second)
		s.bound = s.maxStale * 103 / 100
	}
	// A host whose row has lapsed may answer from Redis for MaxStale what others change without
	// Redis.
	if rows.percent(10) {
		s.noRedis = true
	} else if rows.percent(15) && !s.noRedis && (s.name != "one fault" || s.lasts < 20*time.Second) {
		s.apart, s.anyway = apart, s.name != "one fault" && rows.percent(50)
	}
	return s
}

// play is a random run: load, faults, and then a world that must be as good as new.
func play(w *world) {
	c := w.chance("play", 0, 0)
	for _, h := range w.hosts {
		time.Sleep(c.skewed(1, 100*time.Millisecond))
		h.open()
	}
	for key := range w.setup.keys {
		if c.percent(70) {
			_ = w.change(context.Background(), w.hosts[0].current.Load(), update, []int{key})
		}
	}
	w.load()
	times := 1 + c.below(10)
	if w.setup.lasts > 20*time.Second {
		times *= 3
	}
	if *simFaults != "any" {
		w.strike(named(*simFaults), 20, false, nil)
	} else if w.setup.name == "one fault" {
		faults := single[c.below(len(single))]
		for _, f := range faults {
			w.setup.name = "one fault: " + f.name
			if w.setup.lasts > 20*time.Second {
				faults[0].most = 3 * w.setup.lasts / 4
			}
		}
		w.strike(faults, times, true, w.hosts[c.below(len(w.hosts))])
	} else if w.setup.name == "lossy" {
		w.strike(append([]fault{loss, loss, loss}, everything...), times, false, nil)
	} else {
		w.strike(everything, times, false, nil)
	}
	w.recover()
}

// recover ends all faults, and checks that everything is as it should be soon afterwards, without a
// restart of those that run.
func (w *world) recover() {
	w.unload()
	w.running.Wait() // faults and load
	clear(w.crashNext)
	for _, h := range w.hosts {
		if p := h.current.Load(); p != nil {
			p.thaw()
		} else {
			h.open()
		}
	}
	w.calm.Store(true)
	w.store.drop()
	time.Sleep(max(2*time.Second, w.truth.lossy-w.now()))
	if len(w.truth.wrong) > 0 {
		return
	}
	for _, h := range w.hosts {
		s := h.current.Load().cache.Stats()
		if !s.Fresh || s.Head != w.truth.head || s.Redis && (!s.RedisReady || !s.Listening) {
			w.truth.accuse("host %d is not as good as new 2 s after all faults: %+v, head of the store is %d", h.index, s, w.truth.head)
		}
	}
	for i, h := range w.hosts {
		began := w.now()
		p := h.current.Load()
		refused := func(err error) bool {
			return errors.Is(err, ErrNeedsRedis) && !w.setup.anyway && !w.setup.redisAt(h.index)
		}
		if err := w.change(context.Background(), p, update, []int{0}); err != nil && !refused(err) {
			w.truth.accuse("a change at host %d fails after all faults: %v", h.index, err)
		}
		limit := 200 * time.Millisecond // acknowledgements go through Redis
		if w.setup.noRedis || w.setup.apart > 0 {
			limit += max(time.Second, w.setup.slowest) / 4 // a poll
		}
		if !w.setup.redisAt(h.index) && !w.setup.noRedis {
			limit = time.Hour
		}
		if took := w.now() - began; took > limit {
			w.truth.accuse("a change at host %d takes %v after all faults", h.index, took)
		}
		// The first change of a process may have been announced without its tag.
		if err := w.change(context.Background(), p, update, []int{0}); err != nil && !refused(err) {
			w.truth.accuse("a second change at host %d fails after all faults: %v", h.index, err)
		}
		before := p.cache.Stats()
		for range 2 {
			_, _ = w.read(context.Background(), p, 0, "")
		}
		if after := p.cache.Stats(); after.Hits == before.Hits {
			w.truth.accuse("host %d does not use its memory after all faults", h.index)
		}
		time.Sleep(20 * time.Millisecond) // until it is in Redis
		other := w.hosts[(i+1)%len(w.hosts)].current.Load()
		if w.head() <= other.cache.epoch.Load().previousHead {
			continue // a message does not show which history it belongs to: the next poll does
		}
		if h.index == w.setup.without || other.host.index == w.setup.without || !w.setup.redisAt(h.index) || !w.setup.redisAt(other.host.index) || other == p {
			continue
		}
		hits := other.cache.Stats().RedisHits
		_, _ = w.read(context.Background(), other, 0, "")
		if other.cache.Stats().RedisHits == hits {
			w.truth.accuse("host %d does not use Redis after all faults: %+v", other.host.index, other.cache.Stats())
		}
	}
	for _, h := range w.hosts {
		for key := range w.truth.keys {
			_, _ = w.read(context.Background(), h.current.Load(), key, "")
		}
	}
}

// TestSimulation is T1 and T2: it runs many seeds. A seed that fails is printed; -sim.seed repeats
// it.
func TestSimulation(t *testing.T) {
	if *simSeed >= 0 {
		out := simulate(t, uint64(*simSeed), true, draw, play)
		report(t, out)
		return
	}
	n := *simSeeds
	if n == 0 {
		n = simulatedSeeds / 4
	}
	first := max(*simFirst, 1)
	if *simFor > 0 && *simFirst == 0 {
		first = uint64(time.Now().UnixMicro())
	}
	playSeeds(t, first, n)
}

// TestOtherSeedsMore plays the seeds of a test run that TestSimulation does not.
func TestOtherSeedsMore(t *testing.T) {
	playSeeds(t, simulatedSeeds/4+1, simulatedSeeds-simulatedSeeds/4)
}

// playSeeds plays n seeds, or as many as there is time for with -sim.for.
func playSeeds(t *testing.T, first, n uint64) {
	t.Helper()
	began, told := time.Now(), time.Now()
	next := func() func() (uint64, bool) { // the seeds, one after the other
		var seed atomic.Uint64
		seed.Store(first)
		return func() (uint64, bool) {
			s := seed.Add(1) - 1
			if *simFor > 0 {
				return s, time.Since(began) < *simFor
			}
			return s, s < first+n
		}
	}()
	outcomes := make(chan outcome)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for seed, ok := next(); ok && !t.Failed(); seed, ok = next() {
				outcomes <- simulate(t, seed, false, draw, play)
			}
		})
	}
	go func() {
		workers.Wait()
		close(outcomes)
	}()
	var sum outcome
	setups := map[string]int{}
	for out := range outcomes {
		setups[out.setup]++
		sum.add(out)
		report(t, out)
		if *simFor > 0 && time.Since(told) > 5*time.Second {
			told = time.Now()
			fmt.Println(sum.summary(time.Since(began)))
		}
	}
	t.Log(sum.summary(time.Since(began)))
	t.Log(setups)
}

func (o *outcome) add(run outcome) {
	o.seed++
	o.elapsed += run.elapsed
	o.reads += run.reads
	o.unavailable += run.unavailable
	o.changes += run.changes
	o.slow += run.slow
	o.failed += run.failed
}

func (o *outcome) summary(took time.Duration) string {
	return fmt.Sprintf("%d seeds in %v (%v in the simulation): %d reads checked (%.1f million a minute), %d unavailable; %d changes, %d of them slow, %d more failed",
		o.seed, took.Round(time.Second), o.elapsed.Round(time.Minute), o.reads, float64(o.reads)/took.Minutes()/1e6, o.unavailable, o.changes, o.slow, o.failed)
}

func report(t *testing.T, out outcome) {
	for _, line := range out.lines {
		fmt.Println(line)
	}
	for _, wrong := range out.wrong {
		t.Error(wrong)
	}
	if len(out.wrong) > 0 {
		t.Errorf("%s: repeat it with go test ./cache -run '^TestSimulation$' -sim.seed=%d", out.setup, out.seed)
	}
}

// TestReplay plays some seeds twice: what happens must be the same, to the nanosecond.
func TestReplay(t *testing.T) {
	for seed := uint64(1); seed <= simulatedSeeds/40; seed++ {
		first, second := simulate(t, seed, false, draw, play), simulate(t, seed, false, draw, play)
		if first.trace != second.trace || first.reads != second.reads || first.elapsed != second.elapsed {
			t.Errorf("seed %d (%s) did not run the same way twice", seed, first.setup)
		}
	}
}
