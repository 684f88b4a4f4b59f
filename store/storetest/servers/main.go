package servers

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

// Runner runs the tests of a package and then stops the servers that they shared.
type Runner struct{ m *testing.M }

// Main lets the tests of a package share one PostgreSQL server, because a start takes more than a
// second. Call it from TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(servers.Main(m).Run()) }
//
// or, since a Runner has the only method that goleak needs, goleak.VerifyTestMain(servers.Main(m)).
// The first test that needs the server starts it.
func Main(m *testing.M) *Runner { return &Runner{m} }

// Run runs the tests and returns the exit code.
func (r *Runner) Run() int {
	shared.open()
	code := r.m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "stop shared servers:", err)
		code = max(code, 1)
	}
	return code
}

// shared is the state that outlives a single test. It is a package variable because package testing
// has no other way to pass values between tests. It is empty except while a Runner runs.
var shared sharing

type sharing struct {
	mu      sync.Mutex
	running bool
	tried   bool
	pg      *postgres
	err     error
}

func (s *sharing) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = true
}

// postgres returns the shared server, or nil without a Runner, which would stop it. It tries to
// start the server once; a failure is returned to each test without another wait.
func (s *sharing) postgres() (*postgres, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running && !s.tried {
		s.tried = true
		s.pg, s.err = startPostgres(nil)
	}
	return s.pg, s.err
}

func (s *sharing) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.pg != nil {
		err = s.pg.end()
	}
	s.running, s.tried, s.pg, s.err = false, false, nil, nil
	return err
}
