package servers

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// TCPProxy passes TCP connections on to a server, until it is told not to. Its methods may be called from many goroutines.
type TCPProxy struct {
	tb     testing.TB
	addr   string
	target string
	work   sync.WaitGroup // everything that runs in the background

	mu     sync.Mutex
	listen net.Listener          // nil while cut
	conns  map[net.Conn]struct{} // both ends of each connection
	flows  chan struct{}         // closed while bytes may flow; replaced by an open one by Hang
	closed chan struct{}         // closed at the end
}

// Proxy listens on a loopback port of its own and passes connections on to target (host:port) until the test ends.
func Proxy(tb testing.TB, target string) *TCPProxy {
	tb.Helper()
	l, err := listenFree()
	if err != nil {
		tb.Fatalf("proxy: %v", err)
	}
	p := &TCPProxy{
		tb: tb, addr: l.Addr().String(), target: target,
		conns: map[net.Conn]struct{}{}, flows: make(chan struct{}), closed: make(chan struct{}),
	}
	close(p.flows)
	p.mu.Lock()
	p.accept(l)
	p.mu.Unlock()
	tb.Cleanup(func() {
		close(p.closed)
		p.Cut()
		p.work.Wait()
	})
	return p
}

// Addr returns the host:port that clients connect to. It stays the same for as long as the proxy lives.
func (p *TCPProxy) Addr() string { return p.addr }

// Cut resets all connections and refuses new ones, as if the server were down.
func (p *TCPProxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listen != nil {
		_ = p.listen.Close()
		p.listen = nil
	}
	for c := range p.conns {
		reset(c)
	}
	clear(p.conns)
}

// Hang keeps connections open and accepts new ones, but delivers nothing in either direction, as if the network swallowed
// every packet. After Cut it does nothing until Heal: what is refused cannot hang.
func (p *TCPProxy) Hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flows:
		p.flows = make(chan struct{})
	default: // it hangs already
	}
}

// Heal undoes Cut and Hang. What was sent during a Hang is delivered then, as TCP would.
func (p *TCPProxy) Heal() {
	p.tb.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flows:
	default:
		close(p.flows)
	}
	if p.listen != nil {
		return
	}
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		p.tb.Errorf("proxy: listen again: %v", err)
		return
	}
	p.accept(l)
}

// accept begins to serve what l accepts. The caller holds mu.
func (p *TCPProxy) accept(l net.Listener) {
	p.listen = l
	p.work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // cut
			}
			p.work.Go(func() { p.serve(l, c) })
		}
	})
}

// serve carries one connection, which l accepted.
func (p *TCPProxy) serve(l net.Listener, client net.Conn) {
	defer client.Close()
	if !p.keep(l, client) {
		return
	}
	defer p.forget(client)
	if !p.pass(client) {
		return
	}
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		reset(client)
		return
	}
	defer server.Close()
	if !p.keep(l, server) {
		return
	}
	defer p.forget(server)
	var both sync.WaitGroup
	both.Go(func() { p.pump(server, client) })
	both.Go(func() { p.pump(client, server) })
	both.Wait()
}

// pump delivers from one end to the other until either breaks. The end of a stream is passed on as such.
func (p *TCPProxy) pump(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if !p.pass(from) {
			return
		}
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				reset(from)
				return
			}
		}
		if errors.Is(err, io.EOF) {
			if half, ok := to.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
			return
		}
		if err != nil {
			reset(to)
			return
		}
	}
}

// pass waits until bytes may flow. It reports false when the connection was cut meanwhile.
func (p *TCPProxy) pass(c net.Conn) bool {
	for {
		p.mu.Lock()
		_, kept := p.conns[c]
		flows := p.flows
		p.mu.Unlock()
		if !kept {
			return false
		}
		select {
		case <-flows:
			return true
		default:
		}
		select {
		case <-flows:
		case <-p.closed:
			return false
		}
	}
}

// keep remembers one end of a connection for Cut. It reports false when l has been cut meanwhile.
func (p *TCPProxy) keep(l net.Listener, c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listen != l {
		reset(c)
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *TCPProxy) forget(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// reset closes the connection so that the other end reads "connection reset" and not a polite end of stream.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}
