package servers

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// PgBouncerServer is a PgBouncer in transaction mode, in front of a PostgreSQL server. Its methods,
// except DSN, are for one goroutine at a time.
type PgBouncerServer struct {
	tb      testing.TB
	folder  string
	program string
	addr    string
	process *process
}

// NewPgBouncer starts a PgBouncer for this test only, in front of all databases of a server. It
// stops with the test. It accepts the user of the server's DSNs. Settings are those of
// pgbouncer.ini: NewPgBouncer(t, pg, "default_pool_size=5").
func NewPgBouncer(tb testing.TB, pg *PostgresServer, settings ...string) *PgBouncerServer {
	tb.Helper()
	s, err := startPgBouncer(tb, pg.url, settings)
	if err != nil {
		skipOrFail(tb, err)
	}
	tb.Cleanup(func() { // SIGKILL: no other signal ends all versions at once
		if err := errors.Join(s.process.kill(), os.RemoveAll(s.folder)); err != nil {
			tb.Errorf("stop pgbouncer: %v", err)
		}
	})
	return s
}

// DSN changes a DSN of the PostgreSQL server to one that leads through PgBouncer. The client
// chooses how it executes statements: pgx needs default_query_exec_mode=exec, or simple_protocol.
func (s *PgBouncerServer) DSN(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		panic("servers: a DSN that Database did not return")
	}
	u.Host = s.addr
	return u.String()
}

// Addr returns host:port.
func (s *PgBouncerServer) Addr() string { return s.addr }

// Dir returns the folder with the configuration and the log.
func (s *PgBouncerServer) Dir() string { return s.folder }

// Pid returns the id of the process.
func (s *PgBouncerServer) Pid() int { return s.process.pid() }

// Restart ends PgBouncer like a crash, with all connections, and starts it again on the same port.
func (s *PgBouncerServer) Restart() {
	s.tb.Helper()
	if err := errors.Join(s.process.kill(), s.launch()); err != nil {
		s.tb.Fatalf("restart pgbouncer: %v", err)
	}
}

func startPgBouncer(tb testing.TB, behind *url.URL, settings []string) (*PgBouncerServer, error) {
	program, err := findPgBouncer()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "latchkey-pgbouncer-")
	if err != nil {
		return nil, err
	}
	s := &PgBouncerServer{tb: tb, folder: folder, program: program}
	for range startAttempts {
		var port int
		if port, err = freePort(); err != nil {
			break
		}
		s.addr = loopback(port)
		if err = s.configure(behind, port, settings); err != nil {
			break
		}
		if err = s.launch(); err == nil {
			return s, nil
		}
	}
	return nil, errors.Join(err, os.RemoveAll(folder))
}

// configure writes the configuration. It contains the user's password, with which PgBouncer logs in
// to the server.
func (s *PgBouncerServer) configure(behind *url.URL, port int, settings []string) error {
	password, _ := behind.User.Password()
	quoted := func(text string) string { return `"` + strings.ReplaceAll(text, `"`, `""`) + `"` }
	users, ini := filepath.Join(s.folder, "users.txt"), filepath.Join(s.folder, "pgbouncer.ini")
	lines := append([]string{
		"[databases]", "* = host=" + behind.Hostname() + " port=" + cmp.Or(behind.Port(), "5432"),
		"[pgbouncer]", "listen_addr=127.0.0.1", "listen_port=" + strconv.Itoa(port), "unix_socket_dir=",
		"auth_type=scram-sha-256", "auth_file=" + users, "pool_mode=transaction", "max_client_conn=500",
		"server_login_retry=1", // the default delays reconnects by 15 s
	}, settings...)
	for name, text := range map[string]string{
		users: quoted(behind.User.Username()) + " " + quoted(password) + "\n", ini: strings.Join(lines, "\n") + "\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return unprivileged(&exec.Cmd{}, s.folder, users, ini)
}

// launch starts the program and waits until it accepts connections.
func (s *PgBouncerServer) launch() error {
	log := filepath.Join(s.folder, "pgbouncer.log")
	cmd := exec.Command(s.program, filepath.Join(s.folder, "pgbouncer.ini"))
	cmd.Dir = s.folder
	cmd.Env = cleanEnv()
	if err := unprivileged(cmd); err != nil {
		return err
	}
	started, err := start(cmd, log, guardKill, s.folder)
	if err != nil {
		return err
	}
	s.process = started
	return s.process.waitReady("pgbouncer", log, func() bool {
		conn, err := net.Dial("tcp", s.addr)
		return err == nil && conn.Close() == nil
	})
}

// findPgBouncer also checks Debian's folder, which is not in the PATH of ordinary users.
func findPgBouncer() (string, error) {
	if path, err := exec.LookPath("pgbouncer"); supported && err == nil {
		return path, nil
	}
	const debian = "/usr/sbin/pgbouncer"
	if supported && executable(debian) {
		return debian, nil
	}
	return "", fmt.Errorf("PgBouncer is %w (Debian, Ubuntu: apt-get install pgbouncer; macOS: brew install pgbouncer)", errMissing)
}
