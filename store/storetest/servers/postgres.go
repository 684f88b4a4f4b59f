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
	"time"
)

// PostgresServer is a PostgreSQL server for a test. Its methods are for one goroutine at a time, the one that runs the test:
// they end the test when they fail. Database alone may be called by tests that run in parallel.
type PostgresServer struct {
	tb testing.TB
	*postgres
	why string // not "": the server must not be broken, because of this
}

// postgres is the server itself, which several tests may share.
type postgres struct {
	url      *url.URL // of the database from which others are created
	folder   string   // "": the server is not ours
	bin      string   // folder of its programs
	psql     string
	password string
	settings []string
	process  *process
}

// Postgres returns the server that all tests of this program share if they are run by [Main], and otherwise a server of this
// test's own. When DATABASE_URL is a postgres:// address, it is that server. Each test makes itself a database.
func Postgres(tb testing.TB) *PostgresServer {
	tb.Helper()
	given := os.Getenv("DATABASE_URL")
	if strings.HasPrefix(given, "postgres://") || strings.HasPrefix(given, "postgresql://") {
		u, err := url.Parse(given)
		if err != nil {
			tb.Fatal("DATABASE_URL cannot be parsed") // without the value: it may hold a password
		}
		psql, err := findPsql("")
		if err != nil {
			unstarted(tb, err)
		}
		return &PostgresServer{tb: tb, postgres: &postgres{url: u, psql: psql},
			why: "DATABASE_URL names a server that is not ours to break"}
	}
	p, err := shared.postgres()
	if err != nil {
		unstarted(tb, err)
	}
	if p == nil {
		return NewPostgres(tb)
	}
	return &PostgresServer{tb: tb, postgres: p, why: "all tests share this server; use NewPostgres"}
}

// NewPostgres starts a server of this test's own, which ends with the test. It takes one to two seconds. Settings are those of
// postgresql.conf: NewPostgres(t, "max_connections=20"). By default fsync is off: commits survive Kill, but not a
// power cut.
func NewPostgres(tb testing.TB, settings ...string) *PostgresServer {
	tb.Helper()
	p, err := startPostgres(settings)
	if err != nil {
		unstarted(tb, err)
	}
	tb.Cleanup(func() {
		if err := p.end(); err != nil {
			tb.Errorf("end postgres: %v", err)
		}
	})
	return &PostgresServer{tb: tb, postgres: p}
}

// Database creates an empty database and returns its DSN, a postgres:// URL. The database is dropped at the end of the
// test, whoever may still be connected to it.
func (s *PostgresServer) Database(tb testing.TB) string {
	tb.Helper()
	name := "latchkey_" + strings.ToLower(rand.Text()[:12])
	// From template0, which nobody can be connected to: copying template1 fails while somebody is.
	if err := s.run(`CREATE DATABASE ` + name + ` TEMPLATE template0`); err != nil {
		tb.Fatalf("create database: %v", err)
	}
	if s.why != "" { // a server of the test's own goes as a whole, and may not be running any more
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
func (s *PostgresServer) Dir() string { s.tb.Helper(); s.own(); return s.data() }

// Pid returns the id of the server's process.
func (s *PostgresServer) Pid() int { s.tb.Helper(); s.own(); return s.process.pid() }

// Pause makes the server hang (SIGSTOP to it and to all its processes): connections stay open and can even be made, but
// nothing answers.
func (s *PostgresServer) Pause() { s.tb.Helper(); s.own(); s.must("pause", s.process.pause()) }

// Resume ends a Pause. What clients sent meanwhile is then answered.
func (s *PostgresServer) Resume() { s.tb.Helper(); s.own(); s.must("resume", s.process.resume()) }

// Kill ends the server and all its processes as a crash does (SIGKILL), and returns when they are gone.
func (s *PostgresServer) Kill() { s.tb.Helper(); s.own(); s.must("kill", s.process.kill()) }

// Stop shuts the server down, open transactions are rolled back, and returns when it is gone.
func (s *PostgresServer) Stop() {
	s.tb.Helper()
	s.own()
	s.must("stop", s.process.stop(interrupt, startWithin))
}

// Restart starts the server again on the same port and data, after stopping it if it runs, and returns when it accepts connections.
func (s *PostgresServer) Restart() {
	s.tb.Helper()
	s.own()
	s.must("stop", s.process.stop(interrupt, startWithin))
	s.must("start", s.launch())
}

// own skips the test when the server belongs to somebody else, and fails it when it is shared.
func (s *PostgresServer) own() {
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
	// A password, although the server listens on loopback only: its superuser can run programs, and there may be other
	// people on this machine.
	p := &postgres{folder: folder, bin: bin, psql: psql, password: rand.Text()}
	if err := p.fill(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err := p.listen(settings); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	return p, nil
}

// listen starts a server whose data is there on a free port.
func (p *postgres) listen(settings []string) (err error) {
	for range starts {
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
			"dynamic_shared_memory_type=mmap", // in its folder: /dev/shm is small in containers and would keep it after a Kill
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
	// SIGQUIT: it takes its own processes with it, and its shared memory.
	started, err := start(cmd, log, farewellQuit, p.folder)
	if err != nil {
		return err
	}
	p.process = started
	for deadline := time.Now().Add(startWithin); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if p.process.ended() {
			return fmt.Errorf("postgres ended at once:\n%s", tail(log))
		}
		if p.ready() {
			return nil
		}
	}
	return errors.Join(fmt.Errorf("postgres was not ready within %v:\n%s", startWithin, tail(log)), p.process.kill())
}

// ready asks the server's own pid file, as pg_ctl does: its first line names the process, its eighth says "ready".
func (p *postgres) ready() bool {
	b, err := os.ReadFile(filepath.Join(p.data(), "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(b), "\n")
	return len(lines) >= 8 && strings.TrimSpace(lines[0]) == strconv.Itoa(p.process.pid()) && strings.TrimSpace(lines[7]) == "ready"
}

// run has psql execute one statement.
func (p *postgres) run(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	// The password goes through the environment: arguments can be read by everybody on this machine.
	target := *p.url
	password, given := target.User.Password()
	if given {
		target.User = url.User(target.User.Username())
	}
	cmd := exec.CommandContext(ctx, p.psql, "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1",
		"--dbname="+target.String(), "--command="+sql)
	cmd.Env = os.Environ() // with its PG… variables: DATABASE_URL may rely on them
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
	// SIGQUIT, its immediate shutdown: nothing is written out, since the data is about to be removed, but its shared memory is freed.
	return errors.Join(p.process.stop(quit, startWithin), os.RemoveAll(p.folder))
}

// cleanEnv is the environment without the variables that PostgreSQL's programs read, and without its translations.
func cleanEnv() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "PG") || strings.HasPrefix(v, "LC_") || strings.HasPrefix(v, "LANG")
	})
	return append(env, "LC_ALL=C")
}

// findPostgres returns the folder that holds initdb and postgres: the newest of those where packages put them,
// because Debian keeps them out of PATH, unless PATH names one.
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

// postgresVersion reads the number in /usr/lib/postgresql/17/bin; 0 when there is none.
func postgresVersion(bin string) int {
	name := filepath.Base(filepath.Dir(bin))
	n, _ := strconv.Atoi(name[strings.LastIndexAny(name, "-@")+1:])
	return n
}

// findPsql looks in the folder of the server's programs first, so that both are of one version.
func findPsql(bin string) (string, error) {
	server, _ := filepath.EvalSymlinks(filepath.Join(bin, "postgres")) // PATH may name links to the server alone
	for _, folder := range []string{bin, filepath.Dir(server)} {
		if own := filepath.Join(folder, "psql"); bin != "" && executable(own) {
			return own, nil
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
