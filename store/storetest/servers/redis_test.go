//go:build unix

package servers_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

func TestRedis(t *testing.T) {
	t.Run("answers as soon as it is returned", func(t *testing.T) {
		s := servers.NewRedis(t)
		wantReply(t, dial(t, s.Addr()), "PING", "+PONG")
		if u, err := url.Parse(s.URL()); err != nil || u.Scheme != "redis" || u.Host != s.Addr() {
			t.Errorf("URL() = %q (%v), want redis://%s", s.URL(), err, s.Addr())
		}
	})

	t.Run("is gone, process, port and folder, when the test is over", func(t *testing.T) {
		var addr, dir string
		var pid int
		t.Run("the test", func(t *testing.T) {
			s := servers.NewRedis(t)
			addr, dir, pid = s.Addr(), s.Dir(), s.Pid()
		})
		wantGone(t, pid, addr, dir)
	})

	t.Run("is gone even if the test left it paused", func(t *testing.T) {
		var addr, dir string
		var pid int
		t.Run("the test", func(t *testing.T) {
			s := servers.NewRedis(t)
			addr, dir, pid = s.Addr(), s.Dir(), s.Pid()
			s.Pause()
		})
		wantGone(t, pid, addr, dir)
	})

	t.Run("hangs while paused and answers afterwards", func(t *testing.T) {
		s := servers.NewRedis(t)
		c := dial(t, s.Addr())
		s.Pause()
		send(t, c, "PING")
		wantSilence(t, c)
		s.Resume()
		if got := receive(t, c); got != "+PONG" {
			t.Errorf("after Resume: %q, want +PONG", got)
		}
	})

	t.Run("forgets everything when it is killed", func(t *testing.T) {
		s := servers.NewRedis(t)
		wantReply(t, dial(t, s.Addr()), "SET a 1", "+OK")
		s.Kill()
		wantRefused(t, s.Addr())
		s.Restart()
		wantReply(t, dial(t, s.Addr()), "GET a", "$-1")
	})

	t.Run("keeps its data over Restart when told to save", func(t *testing.T) {
		s := servers.NewRedis(t, "--save", "3600 1")
		wantReply(t, dial(t, s.Addr()), "SET a 1", "+OK")
		s.Stop()
		wantRefused(t, s.Addr())
		if _, err := os.Stat(filepath.Join(s.Dir(), "dump.rdb")); err != nil {
			t.Error(err)
		}
		s.Restart()
		wantReply(t, dial(t, s.Addr()), "GET a", "$1")
	})

	t.Run("comes back with the file that was put in place of its own", func(t *testing.T) {
		s := servers.NewRedis(t, "--save", "3600 1")
		wantReply(t, dial(t, s.Addr()), "SET a 1", "+OK")
		s.Restart()
		old, err := os.ReadFile(filepath.Join(s.Dir(), "dump.rdb"))
		if err != nil {
			t.Fatal(err)
		}
		wantReply(t, dial(t, s.Addr()), "DEL a", ":1")
		s.Stop()
		if err := os.WriteFile(filepath.Join(s.Dir(), "dump.rdb"), old, 0o600); err != nil {
			t.Fatal(err)
		}
		s.Restart()
		wantReply(t, dial(t, s.Addr()), "EXISTS a", ":1")
	})

	t.Run("takes arguments that need a password", func(t *testing.T) {
		s := servers.NewRedis(t, "--requirepass", "x")
		wantReply(t, dial(t, s.Addr()), "AUTH x", "+OK")
	})

	t.Run("can follow another", func(t *testing.T) {
		leader := servers.NewRedis(t)
		host, port, _ := net.SplitHostPort(leader.Addr())
		follower := servers.NewRedis(t, "--replicaof", host, port)
		wantReply(t, dial(t, leader.Addr()), "SET a 1", "+OK")
		c := dial(t, follower.Addr()) // WAIT at the leader does not do: during the first synchronisation it answers too early
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			send(t, c, "EXISTS a")
			if receive(t, c) == ":1" {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the follower never had the key")
			}
		}
	})

	t.Run("is the one that REDIS_URL names", func(t *testing.T) {
		own := servers.NewRedis(t)
		t.Setenv("REDIS_URL", own.URL()+"/3")
		s := servers.Redis(t)
		if s.URL() != own.URL()+"/3" || s.Addr() != own.Addr() {
			t.Errorf("Redis() is %q at %q, want %q at %q", s.URL(), s.Addr(), own.URL()+"/3", own.Addr())
		}
		for name, harm := range map[string]func(*servers.RedisServer){
			"Pause": (*servers.RedisServer).Pause, "Resume": (*servers.RedisServer).Resume, "Kill": (*servers.RedisServer).Kill,
			"Stop": (*servers.RedisServer).Stop, "Restart": (*servers.RedisServer).Restart,
		} {
			skipped := false
			t.Run(name+" skips the test", func(t *testing.T) {
				defer func() { skipped = t.Skipped() }()
				harm(servers.Redis(t))
			})
			if !skipped {
				t.Errorf("%s of a server that is not ours did not skip the test", name)
			}
		}
		wantReply(t, dial(t, own.Addr()), "PING", "+PONG")
	})
}

// dial connects, for a test's length.
func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func send(t *testing.T, c net.Conn, line string) {
	t.Helper()
	if _, err := io.WriteString(c, line+"\r\n"); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c net.Conn) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	return strings.TrimSpace(line)
}

// wantReply sends one command and compares the first line of the answer. What follows it is dropped
// with the connection's reader.
func wantReply(t *testing.T, c net.Conn, command, want string) {
	t.Helper()
	send(t, c, command)
	if got := receive(t, c); got != want {
		t.Fatalf("%s: %q, want %q", command, got, want)
	}
}

// wantSilence checks that nothing arrives for a while.
func wantSilence(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	n, err := c.Read(make([]byte, 1))
	if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d bytes, %v; want silence", n, err)
	}
}

func wantRefused(t *testing.T, addr string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial %s: %v, want it refused", addr, err)
	}
}

func wantGone(t *testing.T, pid int, addr, dir string) {
	t.Helper()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there (%v)", pid, err)
	}
	wantRefused(t, addr)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("folder %s is still there (%v)", dir, err)
	}
}
