package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"time"
)

// asker sends one request and measures the answer.
type asker interface {
	ask(token string) (time.Duration, error)
	close()
}

// wire asks over a connection of its own, as the closest of clients would.
type wire struct {
	conn    net.Conn
	request []byte
	answer  []byte // as long as every refusal is: they are byte-identical but for the date
}

func newWire(addr string) (*wire, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	w := &wire{conn: conn}
	if err := w.learn(); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// learn measures how long a refusal is.
func (w *wire) learn() error {
	if _, err := w.conn.Write(w.asking("sk_nonsense")); err != nil {
		return err
	}
	var whole bytes.Buffer
	answer, err := http.ReadResponse(bufio.NewReader(io.TeeReader(w.conn, &whole)), nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("a malformed token was answered %s", answer.Status)
	}
	w.answer = make([]byte, whole.Len())
	return nil
}

// asking is the request, made before the clock runs.
func (w *wire) asking(token string) []byte {
	w.request = fmt.Appendf(w.request[:0], "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", token)
	return w.request
}

func (w *wire) ask(token string) (time.Duration, error) {
	request := w.asking(token)
	began := time.Now()
	if _, err := w.conn.Write(request); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(w.conn, w.answer); err != nil {
		return 0, err
	}
	took := time.Since(began)
	if !bytes.HasPrefix(w.answer, []byte("HTTP/1.1 401 ")) {
		return 0, fmt.Errorf("answered %.40q", w.answer)
	}
	return took, nil
}

func (w *wire) close() { _ = w.conn.Close() }

// direct calls the handler.
type direct struct {
	handler http.Handler
	header  http.Header
	status  int
}

func (d *direct) Header() http.Header         { return d.header }
func (d *direct) Write(p []byte) (int, error) { return len(p), nil }
func (d *direct) WriteHeader(status int)      { d.status = status }
func (d *direct) close()                      {}

func (d *direct) ask(token string) (time.Duration, error) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	d.header, d.status = http.Header{}, 0
	began := time.Now()
	d.handler.ServeHTTP(d, r)
	took := time.Since(began)
	if d.status != http.StatusUnauthorized {
		return 0, fmt.Errorf("answered %d", d.status)
	}
	return took, nil
}
