//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// fleet are the instances that run.
type fleet struct {
	processes []*exec.Cmd
	addresses []string
}

// start starts one more instance, which is this program, and waits until it serves.
func (f *fleet) start(ctx context.Context, file string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p := exec.CommandContext(ctx, self, "instance", file)
	p.Stderr = os.Stderr
	stdout, err := p.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.Start(); err != nil {
		return err
	}
	f.processes = append(f.processes, p)
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return fmt.Errorf("an instance did not start: %w", err)
	}
	f.addresses = append(f.addresses, strings.TrimSpace(address))
	return nil
}

func (f *fleet) stop() {
	for _, p := range f.processes {
		_ = p.Process.Kill()
		_ = p.Wait()
	}
}

// frozen revokes while the last instance stands still, which then goes on as if nothing had been.
func (f *fleet) frozen(_ context.Context, revoke func() error) error {
	last := f.processes[len(f.processes)-1].Process
	if err := last.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	err := revoke()
	if woken := last.Signal(syscall.SIGCONT); err == nil {
		err = woken
	}
	return err
}

// load uses a key all the time, at each route of each instance.
type load struct {
	client   http.Client
	routes   []*route
	after    atomic.Bool // the key has been revoked
	cancel   context.CancelFunc
	requests sync.WaitGroup
}

// route is one of two, at one instance.
type route struct {
	url    string
	cached bool
	warm   atomic.Bool // it has let the key in
	count  count       // once after is set; belongs to the loop until that has ended
}

// count are the requests that began after a revocation had returned.
type count struct{ sent, letIn int }

func (c count) String() string { return fmt.Sprintf("%d of %d", c.letIn, c.sent) }

func (f *fleet) load(ctx context.Context, token string) *load {
	ctx, cancel := context.WithCancel(ctx)
	l := &load{client: http.Client{Transport: &http.Transport{}}, cancel: cancel}
	for _, address := range f.addresses {
		for _, path := range []string{"/latchkey", "/cached"} {
			r := &route{url: "http://" + address + path, cached: path == "/cached"}
			l.routes = append(l.routes, r)
			l.requests.Go(func() { l.use(ctx, r, token) })
		}
	}
	return l
}

func (l *load) use(ctx context.Context, to *route, token string) {
	for ctx.Err() == nil {
		after := l.after.Load()
		ok, err := l.get(ctx, to.url, token)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
		case after:
			to.count.sent++
			if ok {
				to.count.letIn++
			}
		case ok:
			to.warm.Store(true)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (l *load) get(ctx context.Context, url, token string) (ok bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err
	}
	r.SetBasicAuth(token, "")
	answer, err := l.client.Do(r)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode == http.StatusOK, nil
}

// warm waits until the key has been let in everywhere.
func (l *load) warm(ctx context.Context) error {
	deadline := time.After(10 * time.Second)
	for _, r := range l.routes {
		for !r.warm.Load() {
			select {
			case <-time.After(5 * time.Millisecond):
			case <-deadline:
				return fmt.Errorf("%s does not let a good key in", r.url)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// revoked says that requests which begin from now on must be refused.
func (l *load) revoked() { l.after.Store(true) }

// stop ends the requests, and returns what was let in after the revocation, behind either guard.
func (l *load) stop() (ours, other count) {
	l.cancel()
	l.requests.Wait()
	l.client.CloseIdleConnections()
	for _, r := range l.routes {
		sum := &ours
		if r.cached {
			sum = &other
		}
		sum.sent += r.count.sent
		sum.letIn += r.count.letIn
	}
	return ours, other
}
