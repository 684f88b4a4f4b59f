package cache

import (
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/latchkey-go/latchkey/internal/redisfault"
)

// operation is a kind of Redis calls. Permissions, replicas and full servers refuse one kind and
// accept the others.
type operation int

const (
	opRead operation = iota
	opWrite
	opPublish
	opSubscribe
	operations
)

// operationNames are label values of a metric; operationTexts are the words in logs and status.
var (
	operationNames = [operations]string{"read", "write", "publish", "subscribe"}
	operationTexts = [operations]string{"reads", "writes", "messages to others", "messages from others"}
)

func operationOf(name string) operation {
	switch name {
	case redisRead, redisMark:
		return opRead
	case redisPublish:
		return opPublish
	}
	return opWrite
}

// Fault is the reason why Redis does not serve one kind of calls. The zero value means that it
// does.
type Fault struct {
	// Word is the first word of Redis's error: NOPERM, READONLY, MISCONF, OOM, NOAUTH, WRONGPASS,
	// LOADING, BUSY, MASTERDOWN, CLUSTERDOWN, NOREPLICAS, MOVED, DENIED. It is "unknown_command"
	// for a command that is disabled, "ERR" for all other errors, and "UNREACHABLE" when Redis does
	// not answer in time.
	Word  string
	Since time.Time
}

// Faults are the kinds of calls that Redis does not serve now. Answers stay correct but take
// longer. docs/operations.md explains each fault.
type Faults struct {
	Read      Fault // lookups go to the store
	Write     Fault // records are not written; changes may wait for a lease
	Publish   Fault // changes wait for a lease; other processes read them from the store
	Subscribe Fault // changes of others wait for a lease; refusals only, see Stats.Listening
}

func (f *Faults) all() [operations]Fault {
	return [operations]Fault{f.Read, f.Write, f.Publish, f.Subscribe}
}

// String describes the faults in a few words for a status page, for example "refuses writes
// (READONLY)". It returns "" when there is no fault.
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

// faults holds a breaker for each kind of calls. Subscriptions have none: they are always retried.
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
				log.Info("latchkey: cache: Redis accepts "+text+" again",
					"after", time.Since(was.Since).Round(time.Millisecond))
			case redisfault.Unreachable:
				log.Warn("latchkey: cache: Redis does not answer "+text+" in time; "+effect,
					"budget", budget, "error", err)
			default:
				log.Warn("latchkey: cache: Redis refuses "+text+"; "+effect, "word", is.Word, "error", err)
			}
		}
	}
	return f
}

func (f *faults) of(op operation) *redisfault.Breaker { return &f.breakers[op] }

// current returns the faults of this moment.
func (f *faults) current() Faults {
	all := Faults{
		Read: Fault(f.of(opRead).Fault()), Write: Fault(f.of(opWrite).Fault()), Publish: Fault(f.of(opPublish).Fault()),
	}
	if s := f.subscribe.Load(); s != nil {
		all.Subscribe = *s
	}
	return all
}

// probeDue reports whether a probe of a kind with an open breaker is due.
func (f *faults) probeDue() bool {
	want := false
	for op := range f.breakers {
		if f.breakers[op].WantsProbe() {
			want = true
		}
	}
	return want
}

// noteSubscribe records the outcome of an attempt to subscribe.
func (f *faults) noteSubscribe(err error) {
	was := f.subscribe.Load()
	switch word := redisfault.Word(err); {
	case !redisfault.Refused(err):
		f.subscribe.Store(nil)
	case was == nil || was.Word != word:
		f.subscribe.Store(&Fault{Word: word, Since: time.Now()})
	}
}
