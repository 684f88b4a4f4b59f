package servers

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"
)

// startTimeout is how long a server may take to answer after its start, and to stop. It is long
// because CI machines are slow; normally no test waits that long.
const startTimeout = 30 * time.Second

// startAttempts is the number of attempts to start a server: another process may take its port
// before it is used.
const startAttempts = 3

// errMissing means that the programs of a server are not installed.
var errMissing = errors.New("not installed")

// skipOrFail ends a test that did not get its server. A missing program is a skip on a laptop and a
// failure if CI is set.
func skipOrFail(tb testing.TB, err error) {
	tb.Helper()
	if errors.Is(err, errMissing) && os.Getenv("CI") == "" {
		tb.Skipf("SKIPPED, NOT TESTED: %v", err)
	}
	tb.Fatalf("start server: %v", err)
}

// waitReady waits until ready returns true. If the process ends first or is too slow, the error has
// the end of its log, and the process is killed.
func (p *process) waitReady(name, log string, ready func() bool) error {
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if p.ended() {
			return fmt.Errorf("%s ended at its start:\n%s", name, tail(log))
		}
		if ready() {
			return nil
		}
	}
	return errors.Join(fmt.Errorf("%s was not ready within %v:\n%s", name, startTimeout, tail(log)), p.kill())
}

// tail returns the end of a log, for error messages.
func tail(log string) string {
	const enough = 2000
	b, err := os.ReadFile(log)
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	if len(b) > enough {
		b = b[len(b)-enough:]
	}
	return string(b)
}
