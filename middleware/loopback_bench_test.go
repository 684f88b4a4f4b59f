package keyauth_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-go/latchkey/cache"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	"github.com/latchkey-go/latchkey/store"
)

// BenchmarkLoopback compares the throughput of a guarded Echo route with that of the same route
// unguarded: a real HTTP server on loopback, 64 connections that are kept alive, the same request
// to both, in turns of some 50 ms. One client is Go's own, as a Go program would call the server;
// the other writes bytes and counts those that come back, so that what the guard costs is not lost
// in what a client costs. One iteration is three rounds; "share" is the median of their ratios. It
// differs by some percent from start to start of the program: start it ten times.
func BenchmarkLoopback(b *testing.B) {
	const rounds, turns, requests, connections = 3, 10, 1500, 64
	keys := store.New(cache.New(store.NewMemory(), nil))
	closeAfter(b, keys)
	made, err := keys.Create(b.Context(), store.NewKey{Type: store.Secret})
	if err != nil {
		b.Fatal(err)
	}
	e := echo.New()
	h := func(c echo.Context) error { return c.String(http.StatusOK, "hello") }
	e.GET("/bare", h)
	e.GET("/secret", h, echoauth.Secret(keys))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: e}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	b.Cleanup(func() {
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			b.Error(err)
		}
	})
	for name, dial := range map[string]func(path string) client{
		"http": func(path string) client {
			return openClient(b, "http://"+listener.Addr().String()+path, made.Token.Reveal(), connections)
		},
		"bytes": func(path string) client {
			return dialRoute(b, listener.Addr().String(), path, made.Token.Reveal(), connections)
		},
	} {
		b.Run("client="+name, func(b *testing.B) {
			bare, guarded := dial("/bare"), dial("/secret")
			for range 2 * turns { // a program that has just started is not what is measured
				bare.serve(b, requests)
				guarded.serve(b, requests)
			}
			for b.Loop() {
				var ours, theirs, shares []float64
				for range rounds {
					var with, without time.Duration
					for n := range turns {
						if n%2 == 0 { // who goes first takes turns too
							with += guarded.serve(b, requests)
						}
						without += bare.serve(b, requests)
						if n%2 == 1 {
							with += guarded.serve(b, requests)
						}
					}
					perSecond := func(took time.Duration) float64 { return turns * requests / took.Seconds() }
					ours, theirs, shares = append(ours, perSecond(with)), append(theirs, perSecond(without)), append(shares, without.Seconds()/with.Seconds())
				}
				b.ReportMetric(median(ours), "req/s")
				b.ReportMetric(median(theirs), "bare-req/s")
				b.ReportMetric(median(shares), "share")
			}
		})
	}
}

// client makes so many requests to its route, over all its connections, and returns how long that
// took.
type client interface {
	serve(b *testing.B, requests int64) time.Duration
}

// all runs one for each of n callers until that many requests have been made, and returns how long
// that took.
func all(callers int, requests int64, one func(caller int, next func() bool)) time.Duration {
	var made atomic.Int64
	var running sync.WaitGroup
	began := time.Now()
	for caller := range callers {
		running.Go(func() { one(caller, func() bool { return made.Add(1) <= requests }) })
	}
	running.Wait()
	return time.Since(began)
}

// httpClient is net/http's client.
type httpClient struct {
	http.Client
	request *http.Request
	callers int
}

func openClient(b *testing.B, url, token string, connections int) *httpClient {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	transport := &http.Transport{MaxIdleConnsPerHost: connections}
	b.Cleanup(transport.CloseIdleConnections)
	return &httpClient{Client: http.Client{Transport: transport}, request: r, callers: connections}
}

func (c *httpClient) serve(b *testing.B, requests int64) time.Duration {
	b.Helper()
	return all(c.callers, requests, func(_ int, next func() bool) {
		r := c.request.Clone(b.Context())
		for next() {
			response, err := c.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			_, err = io.Copy(io.Discard, response.Body)
			if err := errors.Join(err, response.Body.Close()); err != nil || response.StatusCode != http.StatusOK {
				b.Errorf("%d %v", response.StatusCode, err)
				return
			}
		}
	})
}

// route is a set of connections that all send the same request.
type route struct {
	request     string
	response    int // its bytes: the same for every one
	connections []net.Conn
}

func dialRoute(b *testing.B, addr, path, token string, connections int) *route {
	b.Helper()
	r := &route{request: fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", path, addr, token)}
	for range connections {
		var d net.Dialer
		c, err := d.DialContext(context.Background(), "tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Close() })
		r.connections = append(r.connections, c)
		if _, err := io.WriteString(c, r.request); err != nil {
			b.Fatal(err)
		}
		count := &counter{Reader: c}
		response, err := http.ReadResponse(bufio.NewReader(count), nil)
		if err != nil {
			b.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK || string(body) != "hello" {
			b.Fatalf("%s: %d %q, %v", path, response.StatusCode, body, err)
		}
		if r.response = count.n; response.Close {
			b.Fatal("the connection is not kept alive")
		}
	}
	return r
}

// counter counts what is read through it.
type counter struct {
	io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

func (r *route) serve(b *testing.B, requests int64) time.Duration {
	b.Helper()
	return all(len(r.connections), requests, func(caller int, next func() bool) {
		c, request, response := r.connections[caller], []byte(r.request), make([]byte, r.response)
		for next() {
			if _, err := c.Write(request); err != nil {
				b.Error(err)
				return
			}
			if _, err := io.ReadFull(c, response); err != nil || string(response[:12]) != "HTTP/1.1 200" {
				b.Errorf("%q, %v", response, err)
				return
			}
		}
	})
}

func median(all []float64) float64 {
	slices.Sort(all)
	return (all[len(all)/2] + all[(len(all)-1)/2]) / 2
}
