package cache

import (
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/latchkey-go/latchkey/internal/redisfault"
	"github.com/latchkey-go/latchkey/store"
)

// operation is a kind of calls of Redis. Users, replicas and full servers refuse one kind and not
// the others.
type operation int

const (
	opRead operation = iota
	opWrite
	opPublish
	opSubscribe
	operations
)

// operationNames are the label values of a metric, operationTexts the words of log and status.
var (
	operationNames = [operations]string{"read", "write", "publish", "subscribe"}
	operationTexts = [operations]string{"reads", "writes", "messages to others", "messages from others"}
)

func operationOf(w store.Work) operation {
	switch w {
	case store.WorkRedisRead, store.WorkRedisMark:
		return opRead
	case store.WorkRedisPublish:
		return opPublish
	}
	return opWrite
}

// Fault is why Redis does not do one kind of calls. The zero value: it does.
type Fault struct {
	// Word is the first word of the error that Redis answers with: NOPERM, READONLY, MISCONF, OOM,
	// NOAUTH, WRONGPASS, LOADING, BUSY, MASTERDOWN, CLUSTERDOWN, NOREPLICAS, MOVED, DENIED;
	// "unknown_command" for a command that is disabled; "ERR" for all others; and "UNREACHABLE"
	// when there is no answer, or none in time.
	Word  string
	Since time.Time
}

// Faults are what Redis does not do at the moment. Other answers are right all the same, but
// slower: docs/operations.md says what each means.
type Faults struct {
	Read      Fault // lookups go to the store
	Write     Fault // records are not written, and changes may wait for a lease
	Publish   Fault // changes wait for a lease, and other processes learn of them from the store
	Subscribe Fault // changes of others wait for a lease. Only refusals: for the rest see Stats.Listening
}

func (f *Faults) all() [operations]Fault {
	return [operations]Fault{f.Read, f.Write, f.Publish, f.Subscribe}
}

// String returns what is wrong in a few words, for a status page: "refuses writes (READONLY)". It
// is "" when nothing is.
func (f Faults) String() string {
	var parts, words []string
	for op, fault := range f.all() {
		if fault.Word == "" {
			continue
		}
		if i := slices.Index(words, fault.Word); i >= 0 {
			parts[i] += ", " + operationTexts[op]
			continue
		}
		verb := "refuses "
		if fault.Word == redisfault.Unreachable {
			verb = "does not answer "
		}
		words, parts = append(words, fault.Word), append(parts, verb+operationTexts[op])
	}
	for i, word := range words {
		if word != redisfault.Unreachable {
			parts[i] += " (" + word + ")"
		}
	}
	return strings.Join(parts, "; ")
}

// faults are the breakers of all kinds of calls but subscriptions, which are not spared.
type faults struct {
	breakers  [opSubscribe]redisfault.Breaker
	subscribe atomic.Pointer[Fault]
}

func newFaults(log *slog.Logger, budget time.Duration) *faults {
	f := &faults{}
	for op := range f.breakers {
		text := operationTexts[op]
		effect := [opSubscribe]string{
			"lookups go to the store", "changes may have to wait for a lease", "changes have to wait for a lease",
		}[op]
		f.breakers[op].OnChange = func(was, is redisfault.Fault, err error) {
			switch is.Word {
			case "":
				log.Info("latchkey: cache: Redis accepts "+text+" again", "after", time.Since(was.Since).Round(time.Millisecond))
			case redisfault.Unreachable:
				log.Warn("latchkey: cache: Redis does not answer "+text+" in time; "+effect, "budget", budget, "error", err)
			default:
				log.Warn("latchkey: cache: Redis refuses "+text+"; "+effect, "word", is.Word, "error", err)
			}
		}
	}
	return f
}

func (f *faults) of(op operation) *redisfault.Breaker { return &f.breakers[op] }

// current returns them as they are.
func (f *faults) current() Faults {
	all := Faults{
		Read: Fault(f.of(opRead).Fault()), Write: Fault(f.of(opWrite).Fault()), Publish: Fault(f.of(opPublish).Fault()),
	}
	if s := f.subscribe.Load(); s != nil {
		all.Subscribe = *s
	}
	return all
}

// probeDue reports that it is time to try what is not done.
func (f *faults) probeDue() bool {
	want := false
	for op := range f.breakers {
		if f.breakers[op].WantsProbe() {
			want = true
		}
	}
	return want
}

// noteSubscribe notes how an attempt to subscribe has ended.
func (f *faults) noteSubscribe(err error) {
	was := f.subscribe.Load()
	switch word := redisfault.Word(err); {
	case !redisfault.Refused(err):
		f.subscribe.Store(nil)
	case was == nil || was.Word != word:
		f.subscribe.Store(&Fault{Word: word, Since: time.Now()})
	}
}
