package admin_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

const tooSlow = `{"message":"the body of the request came too slowly","type":"unknown_error"}`

const (
	soon = 50 * time.Millisecond
	ages = time.Hour // longer than the tests take
)

// serving is a real server on loopback.
func serving(t *testing.T, h http.Handler, readTimeout time.Duration) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ReadTimeout = readTimeout
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.Listener.Addr().String()
}

// stalled is a client that has sent a part of a request.
type stalled struct {
	net.Conn
	answers *bufio.Reader
}

func stall(t *testing.T, addr, method, path, contentType string, length int, part string, header ...string) *stalled {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: shop\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n%s",
		method, path, contentType, length, strings.Join(append(header, ""), "\r\n"), part)
	if err != nil {
		t.Fatal(err)
	}
	return &stalled{conn, bufio.NewReader(conn)}
}

// answer waits for the server's answer.
func (s *stalled) answer(t *testing.T) answer {
	t.Helper()
	r, err := http.ReadResponse(s.answers, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return answer{r.StatusCode, string(body), r.Header}
}

// isClosed waits until the server has closed the connection.
func (s *stalled) isClosed(t *testing.T) {
	t.Helper()
	if b, err := s.answers.ReadByte(); err == nil {
		t.Errorf("the connection goes on: %q", b)
	}
}

// as lets everybody in as that key.
func as(key *store.Key, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(store.NewContext(r.Context(), key)))
	})
}

func TestRequirement35BodiesOfAdminRoutesMustComeInTime(t *testing.T) {
	f := open(t, admin.Options{})
	bare := admin.New(f.keys, admin.Options{Logger: quiet}) // f.api looks into bodies itself
	api := as(f.admin, bare)
	doors := map[string]http.Handler{"net/http": api}
	for name, e := range mounted("", bare) {
		doors[name] = as(f.admin, e)
	}

	for name, door := range doors {
		for server, times := range map[string]struct{ body, server time.Duration }{
			"a server without time-outs":       {soon, 0},
			"a server with a longer time-out":  {soon, ages},
			"a server with a shorter time-out": {ages, time.Second}, // in which headers must come too
		} {
			t.Run(name+", "+server, func(t *testing.T) {
				addr := serving(t, admin.WithBodyTime(times.body, door), times.server)
				routes := admin.Routes(f.keys)
				clients := make([]*stalled, len(routes))
				at := func(route admin.Route) (method, path string) {
					method, path, _ = strings.Cut(route.Pattern, " ")
					return method, strings.Replace(path, "{id}", "apk_x", 1)
				}
				for i, route := range routes {
					method, path := at(route)
					clients[i] = stall(t, addr, method, path, "application/json", 100, `{"ti`)
				}
				for i, route := range routes {
					got := clients[i].answer(t)
					got.is(t, http.StatusRequestTimeout, tooSlow)
					clients[i].isClosed(t)
					method, path := at(route)
					if err := described().check(httptest.NewRequest(method, path, nil), got); err != nil {
						t.Errorf("%s: not as in openapi.json: %v", route.Pattern, err)
					}
				}
			})
		}
	}
	t.Run("a byte now and then does not help", func(t *testing.T) {
		s := stall(t, serving(t, admin.WithBodyTime(soon, api), 0), "POST", "/api-keys", "application/json", 100_000, "{")
		go func() {
			for {
				if _, err := s.Write([]byte(" ")); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
		s.answer(t).is(t, http.StatusRequestTimeout, tooSlow)
	})
	t.Run("what is not read holds nothing either", func(t *testing.T) {
		addr := serving(t, admin.WithBodyTime(soon, bare), 0) // nobody is let in
		good := serving(t, admin.WithBodyTime(soon, api), 0)
		for name, s := range map[string]struct {
			stalled *stalled
			want    int
		}{
			"nobody's":            {stall(t, addr, "POST", "/api-keys", "application/json", 100, "{"), 401},
			"a page's":            {stall(t, addr, "GET", "/openapi.json", "application/json", 100, "{"), 200},
			"no route's":          {stall(t, good, "POST", "/nowhere", "application/json", 100, "{"), 404},
			"no method's":         {stall(t, good, "PUT", "/api-keys", "application/json", 100, "{"), 405},
			"an unknown kind's":   {stall(t, good, "GET", "/api-keys", "image/png", 100, "{"), 200},
			"an unknown coding's": {stall(t, good, "POST", "/api-keys", "application/json", 100, "{", "Content-Encoding: br"), 415},
			"a body too large":    {stall(t, good, "POST", "/api-keys", "application/json", 200_000, "{"), 413},
		} {
			if got := s.stalled.answer(t); got.status != s.want {
				t.Errorf("%s: %d %s, want %d", name, got.status, got.body, s.want)
			}
			s.stalled.isClosed(t)
		}
	})
	t.Run("HTTP/2", func(t *testing.T) {
		s := httptest.NewUnstartedServer(admin.WithBodyTime(soon, api))
		s.EnableHTTP2 = true
		s.StartTLS()
		defer s.Close()
		body, rest := io.Pipe()
		defer rest.Close()
		r, err := http.NewRequest("POST", s.URL+"/api-keys", io.MultiReader(strings.NewReader("{"), body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		got, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Body.Close()
		defer rest.Close() // before the answer's body, which waits for it
		if text, err := io.ReadAll(got.Body); err != nil || got.ProtoMajor != 2 || got.StatusCode != 408 || string(text) != tooSlow {
			t.Errorf("%s %d %s, %v", got.Proto, got.StatusCode, text, err)
		}
	})
	t.Run("a writer without deadlines is no fault", func(t *testing.T) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/api-keys", strings.NewReader(`{"title":"a","type":"secret"}`))
		r.Header.Set("Content-Type", "application/json")
		admin.WithBodyTime(1, api).ServeHTTP(w, r)
		if w.Code != 200 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// A body that came in time leaves nothing behind: neither the handler's context nor the connection
// ends when its time is over.
func TestABodyThatCameLeavesNoDeadline(t *testing.T) {
	came, over, ended := make(chan struct{}), make(chan struct{}), make(chan error, 2)
	addr := serving(t, admin.WithBodyTime(soon, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := admin.ReadAdminBody(w, r); err != nil {
			w.WriteHeader(err.(*medusa.BodyError).Status)
			return
		}
		if r.URL.Path == "/wait" {
			close(came)
			<-over
		}
		ended <- r.Context().Err()
	})), 0)
	s := stall(t, addr, "POST", "/wait", "application/json", 2, "{}")
	<-came
	if late := stall(t, addr, "POST", "/", "application/json", 2, "{").answer(t); late.status != 408 { // began after the first had come
		t.Errorf("%d", late.status)
	}
	close(over)
	if err := <-ended; err != nil {
		t.Errorf("the context of the request has ended: %v", err)
	}
	s.answer(t).is(t, 200, "")
	fmt.Fprint(s, "POST / HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
	s.answer(t).is(t, 200, "")
}

// openLeaks is a server for reports whose bodies may take that long.
func openLeaks(t *testing.T, c admin.LeakConfig, bodies time.Duration) string {
	t.Helper()
	return serving(t, admin.WithBodyTime(bodies, openReports(t, c, store.NewMemory()).handler), 0)
}

// answers collects what stalled clients are answered.
func answers(t *testing.T, all []*stalled) <-chan int {
	t.Helper()
	statuses := make(chan int, len(all))
	var reading sync.WaitGroup
	for _, s := range all {
		reading.Go(func() {
			if r, err := http.ReadResponse(s.answers, nil); err == nil {
				statuses <- r.StatusCode
			}
		})
	}
	t.Cleanup(func() {
		for _, s := range all {
			s.Close()
		}
		reading.Wait()
	})
	return statuses
}

const report = `{"token":"x"}`

func TestRequirement35StalledReportsAreBounded(t *testing.T) {
	const n = 500
	byHeader := admin.LeakConfig{ClientIP: func(r *http.Request) string { return r.Header.Get("Client") }}
	// is sends a whole report.
	is := func(t *testing.T, addr, client string, want int) {
		t.Helper()
		got := stall(t, addr, "POST", "/", "application/json", len(report), report, "Client: "+client).answer(t)
		if got.status != want || want == 429 && got.header.Get("Retry-After") != "1" {
			t.Errorf("a report: %d %s %q, want %d", got.status, got.body, got.header.Get("Retry-After"), want)
		}
	}
	for name, c := range map[string]struct {
		config admin.LeakConfig
		client func(i int) string
		held   int
	}{
		"from addresses that are a proxy's, 64":     {admin.LeakConfig{}, func(int) string { return "" }, 64},
		"of one client, 4":                          {byHeader, func(int) string { return "192.0.2.1" }, 4},
		"of one IPv6 network, 4":                    {byHeader, func(i int) string { return fmt.Sprintf("2001:db8::%x", i) }, 4},
		"of clients whose addresses are private, 4": {byHeader, func(int) string { return "10.0.0.1" }, 4},
		"of many clients, 128":                      {byHeader, func(i int) string { return fmt.Sprintf("192.0.2.%d", i/2) }, 128},
	} {
		t.Run("held open at once "+name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			addr := openLeaks(t, c.config, ages)
			all := make([]*stalled, n)
			for i := range all {
				all[i] = stall(t, addr, "POST", "/", "application/json", 200_000+i%2*300_000, "{", "Client: "+c.client(i)) // net/http reads on to 256 KB
			}
			statuses := answers(t, all)
			for range n - c.held {
				if status := <-statuses; status != 429 {
					t.Fatalf("%d, want 429", status)
				}
			}
			select {
			case status := <-statuses:
				t.Errorf("one more was answered: %d", status)
			default:
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if took := int64(after.HeapAlloc) - int64(before.HeapAlloc); took > n*64<<10 {
				t.Errorf("%d bytes for bodies that were announced and never came", took)
			}
			is(t, addr, c.client(0), 429)
		})
	}
	t.Run("another client is not in the way of others, and who has ended makes room", func(t *testing.T) {
		addr := openLeaks(t, byHeader, ages)
		held := make([]*stalled, 4)
		for i := range held {
			held[i] = stall(t, addr, "POST", "/", "application/json", len(report)+1, report, "Client: 192.0.2.1", "Expect: 100-continue")
			if line, err := held[i].answers.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") { // it is being read
				t.Fatalf("%q, %v", line, err)
			}
			_, _ = held[i].answers.ReadString('\n')
		}
		is(t, addr, "192.0.2.1", 429)
		is(t, addr, "192.0.2.2", 202)
		_, _ = held[0].Write([]byte(" "))
		held[0].answer(t).is(t, 202, accepted)
		is(t, addr, "192.0.2.1", 202)
	})
	t.Run("when their time is over all are let go", func(t *testing.T) {
		addr := openLeaks(t, admin.LeakConfig{}, soon)
		all := make([]*stalled, n)
		for i := range all {
			all[i] = stall(t, addr, "POST", "/", "application/json", 500_000, "{")
		}
		statuses, late := answers(t, all), 0
		for range n {
			switch status := <-statuses; status {
			case 408:
				late++
			case 429:
			default:
				t.Errorf("%d, want 408 or 429", status)
			}
		}
		if late < 64 {
			t.Errorf("%d were late, want at least the 64 that had a place", late)
		}
		is(t, addr, "", 202)
	})
}

func TestLeakReportsWarnWhenTheyCannotKnowTheClient(t *testing.T) {
	warning := "behind a proxy set LeakConfig.ClientIP"
	if text := openReports(t, admin.LeakConfig{}, store.NewMemory()).log.String(); strings.Count(text, warning) != 1 {
		t.Errorf("the log is %q, want one warning", text)
	}
	c := admin.LeakConfig{ClientIP: func(*http.Request) string { return "" }}
	if text := openReports(t, c, store.NewMemory()).log.String(); text != "" {
		t.Errorf("the log is %q, want nothing", text)
	}
}
