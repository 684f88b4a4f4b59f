package servers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// RedisServer is a Redis server for a test. Its methods must be called from the goroutine that runs
// the test, because a failure ends the test.
type RedisServer struct {
	tb      testing.TB
	url     string
	addr    string
	folder  string   // "": the server is not ours
	program string   // path of redis-server
	args    []string // for program
	process *process
}

// Redis returns a server for this test only, or the one that REDIS_URL names (redis:// or
// rediss://). Others may use the latter: use only keys that no other test uses, and never flush it.
func Redis(tb testing.TB) *RedisServer {
	tb.Helper()
	given := os.Getenv("REDIS_URL")
	if given == "" {
		return NewRedis(tb)
	}
	u, err := url.Parse(given)
	if err != nil || u.Host == "" || (u.Scheme != "redis" && u.Scheme != "rediss") {
		tb.Fatal("REDIS_URL is not a redis:// or rediss:// address") // without the value, which may contain a password
	}
	addr := u.Host
	if u.Port() == "" {
		addr = net.JoinHostPort(u.Hostname(), "6379")
	}
	return &RedisServer{tb: tb, url: given, addr: addr}
}

// NewRedis starts a server for this test only, which stops with the test. It stores nothing on
// disk, unless arguments for redis-server change that: NewRedis(t, "--appendonly", "yes").
func NewRedis(tb testing.TB, args ...string) *RedisServer {
	tb.Helper()
	s, err := startRedis(args)
	if err != nil {
		skipOrFail(tb, err)
	}
	s.tb = tb
	tb.Cleanup(func() {
		if err := s.end(); err != nil {
			tb.Errorf("stop redis-server: %v", err)
		}
	})
	return s
}

// Addr returns host:port.
func (s *RedisServer) Addr() string { return s.addr }

// URL returns the address as a redis:// URL. For a server of REDIS_URL, it includes user, password,
// TLS and database; Addr does not.
func (s *RedisServer) URL() string { return s.url }

// Dir returns the folder of the server's files (dump.rdb and the like).
func (s *RedisServer) Dir() string {
	s.tb.Helper()
	s.requireOwn()
	return s.folder
}

// Pid returns the id of the server's process.
func (s *RedisServer) Pid() int {
	s.tb.Helper()
	s.requireOwn()
	return s.process.pid()
}

// Pause makes the server hang (SIGSTOP): connections stay open and new ones are accepted, but
// nothing answers.
func (s *RedisServer) Pause() { s.tb.Helper(); s.requireOwn(); s.must("pause", s.process.pause()) }

// Resume ends a Pause. Requests that clients sent meanwhile are then answered.
func (s *RedisServer) Resume() { s.tb.Helper(); s.requireOwn(); s.must("resume", s.process.resume()) }

// Kill ends the server like a crash (SIGKILL), and returns when it has ended.
func (s *RedisServer) Kill() { s.tb.Helper(); s.requireOwn(); s.must("kill", s.process.kill()) }

// Stop shuts the server down, which writes dump.rdb if it was started with a --save, and returns
// when it has ended.
func (s *RedisServer) Stop() {
	s.tb.Helper()
	s.requireOwn()
	s.must("stop", s.process.stop(terminate, startTimeout))
}

// Restart stops the server if it runs, starts it again on the same port and folder, and returns
// when it answers. Files in Dir can be exchanged between Stop and Restart.
func (s *RedisServer) Restart() {
	s.tb.Helper()
	s.requireOwn()
	s.must("stop", s.process.stop(terminate, startTimeout))
	s.must("start", s.launch())
}

// requireOwn skips the test if the server is foreign.
func (s *RedisServer) requireOwn() {
	s.tb.Helper()
	if s.folder == "" {
		s.tb.Skip("SKIPPED: this test breaks its server, and REDIS_URL names a foreign server")
	}
}

func (s *RedisServer) must(what string, err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatalf("%s redis-server: %v", what, err)
	}
}

func startRedis(args []string) (*RedisServer, error) {
	program, err := findRedis()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "latchkey-redis-")
	if err != nil {
		return nil, err
	}
	for range startAttempts {
		var port int
		if port, err = freePort(); err != nil {
			break
		}
		s := &RedisServer{
			url: "redis://" + loopback(port), addr: loopback(port), folder: folder, program: program,
			args: append([]string{
				"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", folder, "--daemonize", "no",
				"--save", "", "--appendonly", "no",
				"--repl-diskless-sync-delay", "0", // the default delays a replica by five seconds
			}, args...),
		}
		if err = s.launch(); err == nil {
			return s, nil
		}
	}
	return nil, errors.Join(err, os.RemoveAll(folder))
}

// launch starts the program and waits until it answers.
func (s *RedisServer) launch() error {
	log := filepath.Join(s.folder, "redis-server.log")
	cmd := exec.Command(s.program, s.args...)
	cmd.Dir = s.folder
	p, err := start(cmd, log, guardKill, s.folder)
	if err != nil {
		return err
	}
	s.process = p
	return p.waitReady(s.program, log, func() bool { return redisAnswers(s.addr, p.pid()) })
}

// redisAnswers reports whether the process itself, not another server that has taken its port,
// answers commands and has loaded its data.
func redisAnswers(addr string, pid int) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(conn, "INFO\r\n"); err != nil {
		return false
	}
	info, err := readReply(bufio.NewReader(conn))
	if err != nil {
		return strings.HasPrefix(err.Error(), "-NOAUTH") // started with --requirepass, so INFO is refused
	}
	lines := "\r\n" + info
	return strings.Contains(lines, "\r\nprocess_id:"+strconv.Itoa(pid)+"\r\n") && strings.Contains(lines, "\r\nloading:0\r\n")
}

func (s *RedisServer) end() error {
	// Its data is not needed any more, so a kill is enough.
	return errors.Join(s.process.kill(), os.RemoveAll(s.folder))
}

func findRedis() (string, error) {
	if supported {
		for _, name := range []string{"redis-server", "valkey-server"} {
			if path, err := exec.LookPath(name); err == nil {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("redis-server is %w (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis; "+
		"or set REDIS_URL to a running one)", errMissing)
}
