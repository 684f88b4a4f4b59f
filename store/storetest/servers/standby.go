package servers

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// NewStandby starts a hot standby of a server that NewPostgres started, with streaming replication.
// From then on, commits of the primary wait until the standby has them (synchronous_standby_names).
// The standby connects to the primary at addr: its Addr, or that of a [Proxy] in front of it.
// Settings are those of postgresql.conf. The start takes about a second. The standby stops with the
// test.
func NewStandby(tb testing.TB, primary *PostgresServer, addr string, settings ...string) *PostgresServer {
	tb.Helper()
	primary.requireOwn()
	p, err := primary.startStandby(addr, settings)
	if err != nil {
		skipOrFail(tb, err)
	}
	tb.Cleanup(func() {
		if err := p.end(); err != nil {
			tb.Errorf("stop standby: %v", err)
		}
	})
	primary.must("make commits wait for the standby of", primary.waitForStandby())
	return &PostgresServer{tb: tb, postgres: p}
}

// Promote makes a standby a primary, and returns when it accepts changes. Its commits do not wait
// for a standby.
func (s *PostgresServer) Promote() {
	s.tb.Helper()
	s.requireOwn()
	s.must("promote", s.tool("pg_ctl", "promote", "--pgdata="+s.data(), "--wait", fmt.Sprintf("--timeout=%.0f", startTimeout.Seconds())))
}

// On returns the DSN of the same database on another server, for a standby and its primary.
func (s *PostgresServer) On(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		panic("servers: a DSN that Database did not return")
	}
	u.Host = s.Addr()
	return u.String()
}

func (p *postgres) startStandby(addr string, settings []string) (*postgres, error) {
	folder, err := os.MkdirTemp("", "latchkey-postgres-")
	if err != nil {
		return nil, err
	}
	s := &postgres{folder: folder, bin: p.bin, psql: p.psql, password: p.password}
	// The password is passed in the environment, and from there into a file of the copy.
	from := url.URL{Scheme: "postgres", User: url.User(p.url.User.Username()), Host: addr, RawQuery: p.url.RawQuery}
	if err = unprivileged(&exec.Cmd{}, folder); err == nil {
		err = s.tool("pg_basebackup", "--pgdata="+s.data(), "--dbname="+from.String(), "--write-recovery-conf",
			"--checkpoint=fast", "--no-sync", "--no-password")
	}
	if err == nil {
		// After Promote it has no standby.
		err = s.listen(append([]string{"synchronous_standby_names="}, settings...))
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	return s, nil
}

// waitForStandby makes commits wait for any standby, and returns when one is up to date.
func (p *postgres) waitForStandby() error {
	err := errors.Join(p.run(`ALTER SYSTEM SET synchronous_standby_names = '*'`), p.run(`SELECT pg_reload_conf()`))
	for deadline := time.Now().Add(startTimeout); err == nil; time.Sleep(5 * time.Millisecond) {
		not := p.run(`DO $$ BEGIN ASSERT EXISTS (SELECT FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'),
			'no standby is up to date'; END $$`)
		if not == nil {
			return nil
		}
		if time.Now().After(deadline) {
			err = not
		}
	}
	return err
}

// tool runs one of the server's programs, in the server's folder.
func (p *postgres) tool(name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*startTimeout)
	defer cancel()
	program := filepath.Join(p.bin, name)
	if server, err := filepath.EvalSymlinks(filepath.Join(p.bin, "postgres")); err == nil && !executable(program) {
		program = filepath.Join(filepath.Dir(server), name) // PATH may name links to the server alone
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = p.folder
	cmd.Env = append(cleanEnv(), "PGPASSWORD="+p.password)
	if err := unprivileged(cmd); err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
