package servers

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// TCPProxy forwards TCP connections to a server until a test breaks them. Its methods are safe for
// concurrent use.
type TCPProxy struct {
	tb     testing.TB
	addr   string
	target string
	work   sync.WaitGroup // everything that runs in the background

	mu     sync.Mutex
	listen net.Listener          // nil while cut
	conns  map[net.Conn]struct{} // both ends of each connection
	flows  chan struct{}         // closed while bytes may flow; Hang replaces it with an open one
	closed chan struct{}         // closed at the end
}

// Proxy listens on a loopback port and forwards connections to target (host:port) until the test
// ends.
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

// Addr returns the host:port for clients. It never changes.
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

// Hang leaves connections open and accepts new ones, but delivers nothing in either direction, like
// a network that drops every packet. After Cut it has no effect until Heal, because refused
// connections cannot hang.
func (p *TCPProxy) Hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flows:
		p.flows = make(chan struct{})
	default: // it hangs already
	}
}

// Heal undoes Cut and Hang. Bytes that were sent during a Hang are then delivered, as with TCP.
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

// accept starts to serve the connections of l. The caller holds mu.
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

// serve forwards one connection, which l accepted.
func (p *TCPProxy) serve(l net.Listener, client net.Conn) {
	defer client.Close()
	if !p.register(l, client) {
		return
	}
	defer p.unregister(client)
	if !p.pass(client) {
		return
	}
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		reset(client)
		return
	}
	defer server.Close()
	if !p.register(l, server) {
		return
	}
	defer p.unregister(server)
	var both sync.WaitGroup
	both.Go(func() { p.pump(server, client) })
	both.Go(func() { p.pump(client, server) })
	both.Wait()
}

// pump copies from one end to the other until either breaks. It forwards the end of a stream.
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

// pass waits until bytes may flow. It returns false if the connection was cut meanwhile.
func (p *TCPProxy) pass(c net.Conn) bool {
	for {
		p.mu.Lock()
		_, registered := p.conns[c]
		flows := p.flows
		p.mu.Unlock()
		if !registered {
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

// register records one end of a connection for Cut. It returns false if l has been cut meanwhile.
func (p *TCPProxy) register(l net.Listener, c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listen != l {
		reset(c)
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *TCPProxy) unregister(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// reset closes the connection so that the other end reads "connection reset" and not the end of the
// stream.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}
