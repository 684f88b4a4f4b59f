package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/latchkey-go/latchkey/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs the program and returns what it wrote.
func start(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	var out, progress bytes.Buffer
	err = run(ctx, args, &out, &progress)
	return out.String(), progress.String(), err
}

// tokenFile writes valid-looking tokens to a file.
func tokenFile(t *testing.T, n int) (name string, all []string) {
	t.Helper()
	all, err := createMany(t.Context(), store.New(store.NewMemory()), n, store.NewKey{Type: store.Publishable})
	if err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(name, []byte(strings.Join(all, "\n")+"\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name, all
}

func TestItsOwnServerAnswersEachClassAsItShould(t *testing.T) {
	out, progress, err := start(t.Context(), "-duration", "1200ms", "-connections", "4", "-warm", "40", "-cold", "20", "-unknown", "20", "-bad", "20")
	if err != nil {
		t.Fatalf("%v\n%s", err, progress)
	}
	for class, status := range map[string]string{"warm": "200", "cold": "200", "unknown": "401", "bad": "401"} {
		if !regexp.MustCompile(`(?m)^ *` + class + `( +[\d.]+(µs|ms|s)?){6} +` + status + `: \d+ *$`).MatchString(out) {
			t.Errorf("%s: not only %s in\n%s", class, status, out)
		}
	}
	if !strings.Contains(progress, "requests/s   warm p50") {
		t.Errorf("no progress:\n%s", progress)
	}
	if m := regexp.MustCompile(`memory, (\d+) statements`).FindStringSubmatch(out); m == nil || m[1] == "0" {
		t.Errorf("no cold request needed the store:\n%s", out)
	}
}

func TestAServerOfYours(t *testing.T) {
	name, valid := tokenFile(t, 3)
	var seen [3]atomic.Int64
	var others atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("X-Publishable-Api-Key")
		if i := slices.Index(valid, token); i >= 0 {
			seen[i].Add(1)
			return
		}
		others.Add(1)
		w.WriteHeader(http.StatusTeapot)
	}))
	defer server.Close()
	out, progress, err := start(t.Context(), "-url", server.URL, "-tokens", name, "-duration", "300ms", "-connections", "2", "-warm", "30", "-cold", "30", "-unknown", "40", "-bad", "0")
	if err != nil {
		t.Fatalf("%v\n%s", err, progress)
	}
	for i := range seen {
		if seen[i].Load() == 0 {
			t.Errorf("token %d was never used", i)
		}
	}
	if others.Load() == 0 || !strings.Contains(out, "418: ") || strings.Contains(out, "  bad") {
		t.Errorf("%d requests with other tokens, and\n%s", others.Load(), out)
	}
	for _, token := range valid {
		if strings.Contains(out+progress, token) {
			t.Error("a token is shown")
		}
	}
}

func TestAnInterruptPrintsTheResultSoFar(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if n.Add(1) == 50 {
			cancel()
		}
	}))
	defer server.Close()
	out, progress, err := start(ctx, "-url", server.URL, "-duration", "10m", "-connections", "2", "-warm", "0", "-cold", "0", "-unknown", "50", "-bad", "50")
	if err != nil || !strings.Contains(progress, "interrupted after") || !strings.Contains(out, "200: ") {
		t.Errorf("%v\n%s\n%s", err, progress, out)
	}
}

func TestProgressTellsOfRequestsThatThereAre(t *testing.T) {
	_, progress, err := start(t.Context(), "-duration", "1200ms", "-connections", "2", "-warm", "0", "-cold", "0", "-unknown", "0", "-bad", "100")
	if err != nil || !strings.Contains(progress, "requests/s   bad p50") || strings.Contains(progress, "p50 0s") {
		t.Errorf("%v\n%s", err, progress)
	}
}

func TestAnInterruptWhileKeysAreMade(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := start(ctx, "-duration", "10m"); err == nil || err.Error() != "interrupted before the first request" {
		t.Errorf("got %v", err)
	}
}

func TestAServerThatIsNotThereIsAnError(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	out, _, err := start(t.Context(), "-url", "http://"+listener.Addr().String(), "-duration", "50ms", "-connections", "1", "-warm", "0", "-cold", "0", "-unknown", "0", "-bad", "100")
	if err == nil || errors.Is(err, errUsage) || !strings.Contains(err.Error(), "refused") || !strings.Contains(out, "were not answered") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestFlagsThatMakeNoSense(t *testing.T) {
	name, _ := tokenFile(t, 1)
	empty := filepath.Join(t.TempDir(), "empty")
	junk := filepath.Join(t.TempDir(), "junk")
	for file, text := range map[string]string{empty: "\n", junk: "\nsk_nonsense\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ args, says string }{
		{"-warm 50", "add up to 60 %, not to 100"},
		{"-warm -10 -cold 105", "-warm is -10"},
		{"-connections 0", "from 1 to 10000"},
		{"-duration 0s", "more than 0"},
		{"-duration soon", "invalid value"},
		{"-warmth 3", "not defined: -warmth"},
		{"-connections 5 more", `"more" is not a flag`},
		{"-url localhost:9000", "is not an http:// or https:// address"},
		{"-url http://localhost:9000/", "name a file of them with -tokens"},
		{"-tokens x", "-tokens is for -url"},
		{"-url http://localhost:9000/ -tokens " + filepath.Join(t.TempDir(), "none"), "no such file"},
		{"-url http://localhost:9000/ -tokens " + empty, "is empty"},
		{"-url http://localhost:9000/ -tokens " + junk, "line 2"},
		{"-url http://localhost:9000/ -tokens " + name, "more tokens than the one"},
	} {
		_, _, err := start(t.Context(), strings.Fields(c.args)...)
		if !errors.Is(err, errUsage) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.args, err)
		}
		if err != nil && strings.Contains(err.Error(), "sk_nonsense") {
			t.Errorf("%s: a token is shown", c.args)
		}
	}
}

func TestHelp(t *testing.T) {
	_, help, err := start(t.Context(), "-h")
	if !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	for _, flag := range []string{"-url", "-tokens", "-connections", "-duration", "-warm", "-cold", "-unknown", "-bad", "Examples:"} {
		if !strings.Contains(help, flag) {
			t.Errorf("%s is missing in\n%s", flag, help)
		}
	}
}

func TestPercentilesAreExactToThreePercent(t *testing.T) {
	var h histogram
	all := make([]time.Duration, 20_000)
	for i := range all {
		all[i] = time.Duration(rand.ExpFloat64() * float64(time.Millisecond))
		h.note(all[i])
	}
	slices.Sort(all)
	for _, p := range []float64{50, 90, 99, 99.9, 100} {
		want := all[int(p/100*float64(len(all)))-1]
		if got := h.percentile(p); got < want || float64(got) > 1.04*float64(want)+1 {
			t.Errorf("p%v: got %v, want %v", p, got, want)
		}
	}
	for _, d := range []time.Duration{-1, 0, 1, 31, 32, 63, 64, 65, time.Hour, 1<<63 - 1} {
		if b := bucket(d); upper(b) < d || b > 0 && upper(b-1) >= d {
			t.Errorf("%d is in bucket %d, from %d to %d", d, b, upper(b-1)+1, upper(b))
		}
	}
	if empty := new(histogram); empty.percentile(50) != 0 {
		t.Error("nothing has a percentile")
	}
}

func TestSharesAreKept(t *testing.T) {
	m := mix{warm: 70, cold: 30}
	var n [classes]int
	for range 10_000 {
		n[m.pick()]++
	}
	if n[warm] < 6700 || n[warm] > 7300 || n[unknown]+n[bad] > 0 {
		t.Errorf("%v", n)
	}
}
