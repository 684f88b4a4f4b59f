package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what should happen at once. Machines that run tests can be
// slow.
const patience = 30 * time.Second

// program is a running storefront.
type program struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr *output
	exited         chan struct{}
	base           string
}

// start runs the program with those variables in its environment, in dir, and returns once it
// listens.
func start(t *testing.T, dir string, env ...string) *program {
	t.Helper()
	p := launch(t, dir, env...)
	p.listening()
	return p
}

// listening waits until the program listens.
func (p *program) listening() {
	p.t.Helper()
	p.wait("listening", func() bool {
		found := regexp.MustCompile(`msg=listening address=(\S+)`).FindStringSubmatch(p.stderr.String())
		if found != nil {
			p.base = found[1]
		}
		return found != nil
	})
}

// launch runs the program and returns at once.
func launch(t *testing.T, dir string, env ...string) *program {
	t.Helper()
	p := &program{t: t, stdout: &output{}, stderr: &output{}, exited: make(chan struct{})}
	p.cmd = exec.Command(binary(os.Getenv(binaryDir)))
	p.cmd.Dir = dir
	p.cmd.Env = append([]string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "ADDR=127.0.0.1:0"}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("the program said:\n%s%s", p.stdout, p.stderr)
		}
	})
	return p
}

// wait polls until ok, and fails the test when that takes too long or the program ends meanwhile.
func (p *program) wait(what string, ok func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		select {
		case <-p.exited:
			p.t.Fatalf("the program ended before: %s", what)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("did not happen: %s", what)
		}
	}
}

func (p *program) waitForLog(text string) {
	p.t.Helper()
	p.wait("log "+text, func() bool { return strings.Contains(p.stderr.String(), text) })
}

// prepared waits until the database has been set up.
func (p *program) prepared() {
	p.t.Helper()
	p.listening()
	p.wait("prepared", func() bool { return strings.Contains(p.get("/readyz").body, `"prepared":true`) })
}

// exit waits for the end of the program and returns its status.
func (p *program) exit() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatal("the program does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *program) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// stop ends the program as an operator does.
func (p *program) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if status := p.exit(); status != 0 {
		p.t.Fatalf("exit status %d after SIGTERM, want 0", status)
	}
}

// firstKeys waits for the keys that are shown on the first start and returns their tokens.
func (p *program) firstKeys() (publishable, secret string) {
	p.t.Helper()
	p.prepared()
	p.wait("keys are shown", func() bool { return strings.HasSuffix(p.stdout.String(), "$PK\"\n\n") })
	values := exports(p.stdout.String())
	return values["PK"], values["SK"]
}

// reply is an answer that has been read to its end.
type reply struct {
	status int
	header http.Header
	body   string
	closed bool // the connection was, after it
}

// field returns the value at a path of names in the answer's JSON.
func (r reply) field(t *testing.T, path ...string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
	for _, name := range path {
		o, _ := v.(map[string]any)
		v = o[name]
	}
	return v
}

// ask sends a request; header is "Name: value", body JSON.
func (p *program) ask(method, path, body string, header ...string) reply {
	p.t.Helper()
	r, err := http.NewRequest(method, p.base+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	return send(p.t, r)
}

func (p *program) get(path string, header ...string) reply {
	p.t.Helper()
	return p.ask(http.MethodGet, path, "", header...)
}

func send(t *testing.T, r *http.Request) reply {
	t.Helper()
	// Not DisableKeepAlives: a server that knows that the connection will close does not wait for
	// the rest of a body that is too large.
	client := &http.Client{Transport: &http.Transport{}, Timeout: patience}
	defer client.CloseIdleConnections()
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return reply{answer.StatusCode, answer.Header, string(body), answer.Close}
}

// expect fails the test when the answer is another.
func (r reply) expect(t *testing.T, status int, body ...string) reply {
	t.Helper()
	if r.status != status {
		t.Errorf("status %d, want %d: %s", r.status, status, r.body)
	}
	for _, part := range body {
		if !strings.Contains(r.body, part) {
			t.Errorf("body %s, want %s in it", r.body, part)
		}
	}
	return r
}

func publishableKey(token string) string { return "x-publishable-api-key: " + token }
func secretKey(token string) string      { return "Authorization: Basic " + token }

// output is what a process writes, readable meanwhile.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
