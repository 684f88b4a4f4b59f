package soak_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// report counts what happened, by phase: one fault each, and the calm after it.
type report struct {
	mu         sync.Mutex
	phases     []*phase
	violations []violation
	violated   int
}

// phase is the time in which one thing went wrong.
type phase struct {
	name       string
	requests   int
	accepted   int // 200
	undecided  int // 503
	lost       int // with an instance that was killed or stopped
	late       int
	exceptions int
	longest    time.Duration
	revoked    int
	revokes    []time.Duration // how long they took
	recovery   time.Duration   // until every instance was back to normal
	goroutines int             // the most in one instance
}

func (r *report) begin(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phases = append(r.phases, &phase{name: name})
}

// now is the phase under way. Called with mu held.
func (r *report) now() *phase { return r.phases[len(r.phases)-1] }

func (r *report) count(a answer, v verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.now()
	p.requests++
	if a.lookup && !a.excused {
		p.longest = max(p.longest, time.Duration(a.ended-a.began))
	}
	if a.err == nil && a.status == http.StatusOK {
		p.accepted++
	}
	switch v {
	case undecided:
		p.undecided++
	case lost:
		p.lost++
	case exception:
		p.exceptions++
	case lateAccept, lateState:
		p.late++
	}
	if strings.HasPrefix(string(v), "VIOLATION") {
		r.violate(violation{v, p.name, a})
	}
}

// violate keeps the first few of each kind. Called with mu held.
func (r *report) violate(v violation) {
	r.violated++
	same := 0
	for _, known := range r.violations {
		if known.verdict == v.verdict {
			same++
		}
	}
	if same < 5 {
		r.violations = append(r.violations, v)
	}
}

func (r *report) violation(v violation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violate(v)
}

// revoked counts a revoke that succeeded. How long it took says nothing when its instance was
// stopped meanwhile.
func (r *report) revoked(took time.Duration, excused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.now()
	p.revoked++
	if !excused {
		p.revokes = append(p.revokes, took)
	}
}

// revokedNow returns how many revokes have succeeded in the phase under way.
func (r *report) revokedNow() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now().revoked
}

func (r *report) recovered(after time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.now()
	p.recovery = max(p.recovery, after)
}

func (r *report) goroutines(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.now()
	p.goroutines = max(p.goroutines, n)
}

// sum adds up all phases.
func (r *report) sum() phase {
	r.mu.Lock()
	defer r.mu.Unlock()
	total := phase{name: "all"}
	for _, p := range r.phases {
		total.requests += p.requests
		total.accepted += p.accepted
		total.undecided += p.undecided
		total.lost += p.lost
		total.late += p.late
		total.exceptions += p.exceptions
		total.longest = max(total.longest, p.longest)
		total.recovery = max(total.recovery, p.recovery)
		total.goroutines = max(total.goroutines, p.goroutines)
		total.revoked += p.revoked
		total.revokes = append(total.revokes, p.revokes...)
	}
	return total
}

// merge takes over the phases and violations of another report, adding up phases of the same name.
func (r *report) merge(other *report) {
	r.violated += other.violated
	r.violations = append(r.violations, other.violations...)
	for _, p := range other.phases {
		n := slices.IndexFunc(r.phases, func(known *phase) bool { return known.name == p.name })
		if n < 0 {
			r.phases = append(r.phases, p)
			continue
		}
		both := report{phases: []*phase{r.phases[n], p}}
		sum := both.sum()
		sum.name = p.name
		r.phases[n] = &sum
	}
}

// progress is the report in one line.
func (r *report) progress() string {
	total := r.sum()
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("%-52s %d requests, %d revoked, %d late, %d undecided, %d violations, %d exceptions",
		r.now().name, total.requests, total.revoked, total.late, total.undecided, r.violated, total.exceptions)
}

// String is the whole report as a table.
func (r *report) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "\n%-52s %9s %7s %5s %6s %5s %6s %7s %7s %7s %8s %8s %6s\n", "phase", "requests", "revoked", "late", "503", "lost", "except",
		"p50 ms", "p99 ms", "max ms", "longest", "recovery", "gorout")
	total := r.sum()
	for _, p := range append(slices.Clone(r.phases), &total) {
		fmt.Fprintf(&s, "%-52s %9d %7d %5d %6d %5d %6d %7s %7s %7s %8s %8s %6d\n", p.name, p.requests, p.revoked, p.late, p.undecided, p.lost,
			p.exceptions, millis(percentile(p.revokes, 50)), millis(percentile(p.revokes, 99)), millis(percentile(p.revokes, 100)),
			millis(p.longest), millis(p.recovery), p.goroutines)
	}
	return s.String()
}

// check prints the report and fails the test for every violation in it.
func (r *report) check(t testing.TB) {
	t.Helper()
	t.Log(r.String())
	for _, v := range r.violations {
		t.Errorf("%v", v)
	}
	if more := r.violated - len(r.violations); more > 0 {
		t.Errorf("and %d more violations", more)
	}
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }

// percentile returns the smallest value that p per cent of all do not exceed; 0 of none.
func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[(len(sorted)*p+99)/100-1]
}
