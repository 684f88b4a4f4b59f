package servers

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"
)

// startWithin is how long a server has to answer after it was started, and to end after it was asked to. It is generous because
// CI machines are slow; nobody waits that long when all is well.
const startWithin = 30 * time.Second

// starts is how often a server is started before giving up: somebody may take its port between finding and using it.
const starts = 3

// errMissing: the programs of a server are not installed.
var errMissing = errors.New("not installed")

// unstarted ends a test that did not get its server: a missing program is a skip on a laptop and a failure where CI is set.
func unstarted(tb testing.TB, err error) {
	tb.Helper()
	if errors.Is(err, errMissing) && os.Getenv("CI") == "" {
		tb.Skipf("SKIPPED, NOT TESTED: %v", err)
	}
	tb.Fatalf("start server: %v", err)
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
