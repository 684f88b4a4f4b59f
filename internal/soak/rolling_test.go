package soak_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store/dburl"
)

// The tests in this file run instances of version 1 (old_test.go) beside those of this tree.

// ground is what a deploy stands on.
type ground struct {
	name  string
	setup setup
}

var grounds = []ground{
	{"PostgreSQL and Redis, with peppers", setup{shared: true}},
	{"PostgreSQL and Redis, without", setup{shared: true, flags: []string{"-plain"}}},
	{"SQLite, with peppers", setup{sqlite: true}},
	{"SQLite, without", setup{sqlite: true, flags: []string{"-plain"}}},
}

// mixed runs a test on each of the grounds. Its world begins with as many instances of version 1 as
// old says, or with one of this version. The flags are for instances with Redis.
func mixed(t *testing.T, grounds []ground, old int, test func(m *mix), redisFlags ...string) {
	t.Parallel()
	programs := version1(t)
	for _, g := range grounds {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			s := g.setup
			s.instances = max(old, 1)
			if !s.sqlite {
				s.flags = slices.Concat(s.flags, redisFlags)
			}
			s.programs = slices.Repeat([]string{programs.instance()}, old)
			m := &mix{world: newWorld(t, s, 1), old: programs, plain: slices.Contains(s.flags, "-plain")}
			m.db = m.open()
			test(m)
			m.report.check(t)
		})
	}
}

// mix is a world with two versions of the program in it.
type mix struct {
	*world
	old   oldPrograms
	plain bool // no peppers
	db    *sql.DB
	slow  uint64 // changes that had to wait for a lease, at instances that have left
}

func (m *mix) open() *sql.DB {
	database, err := dburl.Parse(m.dsn)
	if err != nil {
		m.t.Fatal(err)
	}
	db, err := database.Connect()
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = db.Close() })
	return db
}

// number returns the number that a query selects.
func (m *mix) number(query string) (n int) {
	m.t.Helper()
	if err := m.db.QueryRow(query).Scan(&n); err != nil {
		m.t.Fatalf("%s: %v", query, err)
	}
	return n
}

func (m *mix) isOld(i *instance) bool { return i.program == m.old.instance() }

// soon makes a place for an instance that is not started yet.
func (m *mix) soon(program string) *instance {
	i := m.place()
	i.away.Store(true)
	if program != "" {
		i.program = program
	}
	return i
}

// join starts an instance and returns when it is in use.
func (m *mix) join(i *instance) {
	m.t.Helper()
	i.start()
	m.eventually(fmt.Sprintf("instance %d is ready", i.n), func() bool {
		s, err := i.stats(m.client)
		return err == nil && s.normal(m.redis != nil) && (m.redis == nil || s.Cache.Listening)
	})
	i.away.Store(false)
}

// leave takes an instance out of the group and ends it, as a deploy does.
func (m *mix) leave(i *instance) {
	m.t.Helper()
	m.slow += m.inside(i).Cache.SlowChanges
	i.away.Store(true)
	i.mark(true) // a request that was on its way may find nobody
	i.process.signal(syscall.SIGTERM)
	select {
	case <-i.process.done:
	case <-time.After(patience):
		m.t.Fatalf("instance %d does not end", i.n)
	}
	if code := i.process.cmd.ProcessState.ExitCode(); code != 0 { // a machine that is too slow for a last statement
		m.t.Logf("instance %d ended with %d:\n%s", i.n, code, m.said(i))
	}
}

// said is what an instance has logged.
func (m *mix) said(i *instance) string {
	m.t.Helper()
	text, err := os.ReadFile(i.log)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text)
}

// slowChanges returns how many changes had to wait for a lease so far.
func (m *mix) slowChanges() uint64 {
	m.t.Helper()
	n := m.slow
	for _, i := range m.present() {
		n += m.inside(i).Cache.SlowChanges
	}
	return n
}

// phase lets clients work until so many revokes and other changes have come through.
func (m *mix) phase(name string, revokes int) {
	m.t.Helper()
	m.report.begin(name)
	m.eventually(name+": changes", func() bool { return m.report.revokedNow() >= revokes })
}

// TestRequirement33RollingDeployMore: a group of version 1 is replaced, instance by instance, while
// clients use and change keys at all of them.
func TestRequirement33RollingDeployMore(t *testing.T) {
	mixed(t, grounds, 2, func(m *mix) {
		fresh := []*instance{m.soon(""), m.soon("")}
		gone := slices.Clone(m.all[:2])
		stop := m.run(load{readers: 2, pause: 10 * time.Millisecond, strangers: 5, revokers: 3, others: 1, stock: 40})
		const revokes = 3
		m.phase("version 1 alone", revokes)
		before := m.slowChanges()
		for _, i := range fresh {
			m.join(i)
			m.phase("one more of this version", revokes)
		}
		for _, i := range gone {
			m.leave(i)
			m.phase("one less of version 1", revokes)
		}
		slow := m.slowChanges() - before
		stop()
		m.noAlarms()
		if all := m.report.sum(); all.undecided > all.requests/10 { // a machine that is too slow, at most
			m.t.Errorf("%d of %d requests could not be decided", all.undecided, all.requests)
		}
		// One that is made just then, for each that comes or goes.
		if most := len(fresh) + len(gone); m.redis != nil && slow > uint64(most) {
			m.t.Errorf("%d changes had to wait for a lease, want %d at most:\n%s", slow, most, m.allSaid())
		}
	}, "-lease", "3s") // a machine that is too slow for one of a second
}

// noAlarms fails the test where an instance has taken anything for forged.
func (m *mix) noAlarms() {
	m.t.Helper()
	for _, i := range m.all {
		if i.base.Load() == nil {
			continue // it has not been started
		}
		if said := m.said(i); strings.Contains(said, "was not written by this system") {
			m.t.Errorf("instance %d raised an alarm:\n%s", i.n, said)
		}
	}
	for _, i := range m.present() {
		if s := m.inside(i).Cache; s.Forged > 0 || s.RedisForged > 0 {
			m.t.Errorf("instance %d: %d forged messages, %d forged entries", i.n, s.Forged, s.RedisForged)
		}
	}
}

func (m *mix) allSaid() string {
	var all strings.Builder
	for _, i := range m.all {
		fmt.Fprintf(&all, "%s:\n%s", filepath.Base(i.log), m.said(i))
	}
	return all.String()
}
