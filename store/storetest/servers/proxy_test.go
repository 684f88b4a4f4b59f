//go:build unix

package servers_test

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

func TestProxy(t *testing.T) {
	echo := listenEcho(t)

	t.Run("passes bytes in both directions, and the end of a stream", func(t *testing.T) {
		c := dial(t, servers.Proxy(t, echo).Addr())
		wantReply(t, c, "hello", "hello")
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("after the end: %d bytes, %v; want end of stream", n, err)
		}
	})

	t.Run("cut, resets connections and refuses new ones until healed", func(t *testing.T) {
		p := servers.Proxy(t, echo)
		c := dial(t, p.Addr())
		wantReply(t, c, "hello", "hello")
		p.Cut()
		wantReset(t, c)
		wantRefused(t, p.Addr())
		p.Heal()
		wantReply(t, dial(t, p.Addr()), "again", "again")
	})

	t.Run("hung, keeps connections, accepts new ones and delivers nothing until healed", func(t *testing.T) {
		p := servers.Proxy(t, echo)
		before := dial(t, p.Addr())
		wantReply(t, before, "hello", "hello")
		p.Hang()
		during := dial(t, p.Addr())
		send(t, before, "one")
		send(t, during, "two")
		wantSilence(t, before)
		wantSilence(t, during)
		p.Heal()
		if got := receive(t, before); got != "one" {
			t.Errorf("the old connection got %q, want what it sent", got)
		}
		if got := receive(t, during); got != "two" {
			t.Errorf("the new connection got %q, want what it sent", got)
		}
	})

	t.Run("can be cut while it hangs", func(t *testing.T) {
		p := servers.Proxy(t, echo)
		c := dial(t, p.Addr())
		wantReply(t, c, "hello", "hello")
		p.Hang()
		p.Cut()
		wantReset(t, c)
		p.Heal()
		wantReply(t, dial(t, p.Addr()), "again", "again")
	})

	t.Run("resets the connection when the server is down", func(t *testing.T) {
		down := servers.Proxy(t, echo)
		down.Cut()
		c, err := net.Dial("tcp", servers.Proxy(t, down.Addr()).Addr())
		if err == nil { // else it was so quick that the dial itself was reset
			defer c.Close()
			_, err = c.Read(make([]byte, 1))
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v; want the connection reset", err)
		}
	})

	t.Run("ends with the test, hung or not", func(t *testing.T) {
		var addr string
		var c net.Conn
		t.Run("the test", func(t *testing.T) {
			p := servers.Proxy(t, echo)
			addr = p.Addr()
			var err error
			if c, err = net.Dial("tcp", addr); err != nil {
				t.Fatal(err)
			}
			wantReply(t, c, "hello", "hello")
			p.Hang()
		})
		defer c.Close()
		wantRefused(t, addr)
		wantReset(t, c)
	})
}

// listenEcho answers every byte with itself.
func listenEcho(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	return l.Addr().String()
}

func wantReset(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %d bytes, %v; want the connection reset", n, err)
	}
}
