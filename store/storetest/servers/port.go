package servers

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// listenFree listens on a free loopback port. The port is below the range that systems use for
// outgoing connections (32768 and up), so that it is still free when a server is restarted on it.
func listenFree() (net.Listener, error) {
	const lowest, ports, tries = 20000, 12000, 100
	var err error
	for range tries {
		var l net.Listener
		if l, err = net.Listen("tcp", loopback(lowest+rand.IntN(ports))); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("find a free port: %w", err)
}

// freePort returns a port that listenFree found. Another process may take it before it is used.
func freePort() (int, error) {
	l, err := listenFree()
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// FreeAddress returns a loopback address for a server that a test starts. Its port is one that
// freePort found.
func FreeAddress(tb testing.TB) string {
	tb.Helper()
	port, err := freePort()
	if err != nil {
		tb.Fatal(err)
	}
	return loopback(port)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
