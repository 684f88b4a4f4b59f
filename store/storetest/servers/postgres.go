package servers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// PostgresServer is a PostgreSQL server for a test. Its methods must be called from the goroutine
// that runs the test, because a failure ends the test. Only Database may be called from parallel
// tests.
type PostgresServer struct {
	tb testing.TB
	*postgres
	why string // not "": the reason why the test must not break the server
}

// postgres is the server itself, which several tests may share.
type postgres struct {
	url      *url.URL // of the database that creates others
	folder   string   // "": a foreign server
	bin      string   // folder of its programs
	psql     string
	password string
	settings []string
	process  *process
}

// Postgres returns the server that all tests of this program share if [Main] runs them, and
// otherwise a server for this test only. If DATABASE_URL is a postgres:// address, it returns that
// server. Each test creates its own database.
func Postgres(tb testing.TB) *PostgresServer {
	tb.Helper()
	given := os.Getenv("DATABASE_URL")
	if strings.HasPrefix(given, "postgres://") || strings.HasPrefix(given, "postgresql://") {
		u, err := url.Parse(given)
		if err != nil {
			tb.Fatal("DATABASE_URL cannot be parsed") // without the value, which may contain a password
		}
		psql, err := findPsql("")
		if err != nil {
			skipOrFail(tb, err)
		}
		return &PostgresServer{tb: tb, postgres: &postgres{url: u, psql: psql},
			why: "DATABASE_URL names a foreign server"}
	}
	p, err := shared.postgres()
	if err != nil {
		skipOrFail(tb, err)
	}
	if p == nil {
		return NewPostgres(tb)
	}
	return &PostgresServer{tb: tb, postgres: p, why: "all tests share this server; use NewPostgres"}
}

// NewPostgres starts a server for this test only, which stops with the test. It takes one to two
// seconds. Settings are those of postgresql.conf: NewPostgres(t, "max_connections=20"). By default
// fsync is off: commits survive Kill, but not a power failure.
func NewPostgres(tb testing.TB, settings ...string) *PostgresServer {
	tb.Helper()
	p, err := startPostgres(settings)
	if err != nil {
		skipOrFail(tb, err)
	}
	tb.Cleanup(func() {
		if err := p.end(); err != nil {
			tb.Errorf("stop postgres: %v", err)
		}
	})
	return &PostgresServer{tb: tb, postgres: p}
}

// Database creates an empty database and returns its DSN, a postgres:// URL. The database is
// dropped at the end of the test, even if clients are connected to it.
func (s *PostgresServer) Database(tb testing.TB) string {
	tb.Helper()
	name := "latchkey_" + strings.ToLower(rand.Text()[:12])
	// template0 accepts no connections. A copy of template1 fails while a client is connected to
	// it.
	if err := s.run(`CREATE DATABASE ` + name + ` TEMPLATE template0`); err != nil {
		tb.Fatalf("create database: %v", err)
	}
	if s.why != "" { // the test's own server is removed as a whole
		tb.Cleanup(func() {
			if err := s.run(`DROP DATABASE IF EXISTS ` + name + ` WITH (FORCE)`); err != nil {
				tb.Errorf("drop database: %v", err)
			}
		})
	}
	u := *s.url
	u.Path = "/" + name
	return u.String()
}

// Addr returns host:port.
func (s *PostgresServer) Addr() string { return s.url.Host }

// Dir returns the server's data folder.
func (s *PostgresServer) Dir() string { s.tb.Helper(); s.requireOwn(); return s.data() }

// Pid returns the id of the server's process.
func (s *PostgresServer) Pid() int { s.tb.Helper(); s.requireOwn(); return s.process.pid() }

// Pause makes the server hang (SIGSTOP to it and to all its processes): connections stay open and
// new ones are accepted, but nothing answers.
func (s *PostgresServer) Pause() { s.tb.Helper(); s.requireOwn(); s.must("pause", s.process.pause()) }

// Resume ends a Pause. Requests that clients sent meanwhile are then answered.
func (s *PostgresServer) Resume() {
	s.tb.Helper()
	s.requireOwn()
	s.must("resume", s.process.resume())
}

// Kill ends the server and all its processes like a crash (SIGKILL), and returns when they have
// ended.
func (s *PostgresServer) Kill() { s.tb.Helper(); s.requireOwn(); s.must("kill", s.process.kill()) }

// Stop shuts the server down, which rolls back open transactions, and returns when it has ended.
func (s *PostgresServer) Stop() {
	s.tb.Helper()
	s.requireOwn()
	s.must("stop", s.process.stop(interrupt, startTimeout))
}

// Restart stops the server if it runs, starts it again on the same port and data, and returns when
// it accepts connections.
func (s *PostgresServer) Restart() {
	s.tb.Helper()
	s.requireOwn()
	s.must("stop", s.process.stop(interrupt, startTimeout))
	s.must("start", s.launch())
}

// requireOwn skips the test if the server is foreign, and fails it if the server is shared.
func (s *PostgresServer) requireOwn() {
	s.tb.Helper()
	switch {
	case s.why == "":
	case s.folder == "":
		s.tb.Skip("SKIPPED: this test breaks its server, and " + s.why)
	default:
		s.tb.Fatal(s.why)
	}
}

func (s *PostgresServer) must(what string, err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatalf("%s postgres: %v", what, err)
	}
}

func startPostgres(settings []string) (*postgres, error) {
	bin, err := findPostgres()
	if err != nil {
		return nil, err
	}
	psql, err := findPsql(bin)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "latchkey-postgres-")
	if err != nil {
		return nil, err
	}
	// The server has a password although it listens on loopback only: its superuser can run
	// programs, and the machine may have other users.
	p := &postgres{folder: folder, bin: bin, psql: psql, password: rand.Text()}
	if err := p.initData(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err := p.listen(settings); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	return p, nil
}

// listen starts a server with existing data on a free port.
func (p *postgres) listen(settings []string) (err error) {
	for range startAttempts {
		var port int
		if port, err = freePort(); err != nil {
			break
		}
		p.url = &url.URL{
			Scheme: "postgres", User: url.UserPassword("latchkey", p.password), Host: loopback(port), Path: "/postgres",
			RawQuery: "sslmode=disable",
		}
		p.settings = append([]string{
			"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(port), "unix_socket_directories=",
			"max_connections=200", "shared_buffers=32MB", "fsync=off", "full_page_writes=off",
			"dynamic_shared_memory_type=mmap", // in its folder: /dev/shm is small in containers, and a Kill leaves files there
		}, settings...)
		if err = p.launch(); err == nil {
			return nil
		}
	}
	return err
}

func (p *postgres) data() string { return filepath.Join(p.folder, "data") }

// launch starts the program and waits until it accepts connections.
func (p *postgres) launch() error {
	log := filepath.Join(p.folder, "postgres.log")
	args := []string{"-D", p.data()}
	for _, s := range p.settings {
		args = append(args, "-c", s)
	}
	cmd := exec.Command(filepath.Join(p.bin, "postgres"), args...)
	cmd.Dir = p.folder
	cmd.Env = cleanEnv()
	if err := unprivileged(cmd); err != nil {
		return err
	}
	// SIGQUIT also ends the server's processes and frees its shared memory.
	started, err := start(cmd, log, guardQuit, p.folder)
	if err != nil {
		return err
	}
	p.process = started
	return p.process.waitReady("postgres", log, p.ready)
}

// ready reads the server's pid file, as pg_ctl does: its first line is the process, its eighth is
// "ready".
func (p *postgres) ready() bool {
	b, err := os.ReadFile(filepath.Join(p.data(), "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(b), "\n")
	return len(lines) >= 8 && strings.TrimSpace(lines[0]) == strconv.Itoa(p.process.pid()) && strings.TrimSpace(lines[7]) == "ready"
}

// run executes one statement with psql.
func (p *postgres) run(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	// The password is passed in the environment: all users of this machine can read arguments.
	target := *p.url
	password, given := target.User.Password()
	if given {
		target.User = url.User(target.User.Username())
	}
	cmd := exec.CommandContext(ctx, p.psql, "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1",
		"--dbname="+target.String(), "--command="+sql)
	cmd.Env = os.Environ() // with its PG… variables, which DATABASE_URL may need
	if p.folder != "" {
		cmd.Env = cleanEnv()
	}
	if given {
		cmd.Env = append(cmd.Env, "PGPASSWORD="+password)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("psql: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (p *postgres) end() error {
	// SIGQUIT is the immediate shutdown. It writes nothing, since the data is removed next, but it
	// frees the shared memory.
	return errors.Join(p.process.stop(quit, startTimeout), os.RemoveAll(p.folder))
}

// cleanEnv is the environment without the variables of PostgreSQL's programs, and without
// translations.
func cleanEnv() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "PG") || strings.HasPrefix(v, "LC_") || strings.HasPrefix(v, "LANG")
	})
	return append(env, "LC_ALL=C")
}

// findPostgres returns the folder with initdb and postgres: that in PATH, or else the newest of
// those that packages use, because Debian does not add them to PATH.
func findPostgres() (string, error) {
	var folders []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
	} {
		found, _ := filepath.Glob(pattern)
		folders = append(folders, found...)
	}
	slices.SortStableFunc(folders, func(a, b string) int { return postgresVersion(b) - postgresVersion(a) })
	folders = append(filepath.SplitList(os.Getenv("PATH")), folders...)
	for _, f := range folders {
		if supported && executable(filepath.Join(f, "postgres")) && executable(filepath.Join(f, "initdb")) {
			return f, nil
		}
	}
	return "", fmt.Errorf("PostgreSQL is %w (Debian, Ubuntu: apt-get install postgresql; macOS: brew install postgresql; "+
		"or set DATABASE_URL to a running one)", errMissing)
}

// postgresVersion returns the number in /usr/lib/postgresql/17/bin, or 0.
func postgresVersion(bin string) int {
	name := filepath.Base(filepath.Dir(bin))
	n, _ := strconv.Atoi(name[strings.LastIndexAny(name, "-@")+1:])
	return n
}

// findPsql prefers the folder of the server's programs, so that both have the same version.
func findPsql(bin string) (string, error) {
	server, _ := filepath.EvalSymlinks(filepath.Join(bin, "postgres")) // PATH may have a link to the server only
	for _, folder := range []string{bin, filepath.Dir(server)} {
		if path := filepath.Join(folder, "psql"); bin != "" && executable(path) {
			return path, nil
		}
	}
	if path, err := exec.LookPath("psql"); supported && err == nil {
		return path, nil
	}
	return "", fmt.Errorf("psql is %w (Debian, Ubuntu: apt-get install postgresql-client)", errMissing)
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}
