package soak_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// instance is one place in the group of instances. When its process dies, another takes the place.
type instance struct {
	t       testing.TB
	n       int
	program string // its path
	flags   []string
	env     []string
	log     string
	redis   *servers.TCPProxy // its own way to Redis; nil where Redis is not one server
	db      *servers.TCPProxy // its own way to PostgreSQL
	away    atomic.Bool       // not part of the group: nobody sends it anything

	process *process
	base    atomic.Pointer[string] // "http://127.0.0.1:port"

	mu       sync.Mutex
	disabled bool  // killed or stopped
	faults   int64 // how often that began or ended
}

// start runs the process and returns when it has told its address.
func (i *instance) start() {
	i.t.Helper()
	log, err := os.OpenFile(i.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		i.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(i.program, i.flags...)
	cmd.Dir = filepath.Dir(i.log)
	cmd.Env = append([]string{"HOME=" + cmd.Dir, "PATH=" + os.Getenv("PATH")}, i.env...)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		i.t.Fatal(err)
	}
	i.process = launch(i.t, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		said, _ := os.ReadFile(i.log)
		i.t.Fatalf("instance %d did not start: %v\n%s", i.n, err, said)
	}
	base := strings.TrimSpace(line)
	i.base.Store(&base)
}

// mark notes that the instance is disabled from now on, or no longer.
func (i *instance) mark(disabled bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.disabled = disabled
	i.faults++
}

// health returns whether the instance is disabled, and a number that changes whenever that does.
func (i *instance) health() (bool, int64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.disabled, i.faults
}

// kill is kill -9.
func (i *instance) kill() {
	i.mark(true)
	i.process.kill()
}

// revive starts another process in the place of one that was killed.
func (i *instance) revive() {
	i.t.Helper()
	i.start()
	i.mark(false)
}

// stop is SIGSTOP: whoever looks sees a process that accepts connections and does nothing.
func (i *instance) stop() {
	i.mark(true)
	i.process.signal(syscall.SIGSTOP)
}

// resume is SIGCONT.
func (i *instance) resume() {
	i.process.signal(syscall.SIGCONT)
	i.mark(false)
}

// state is the inside of an instance.
type state struct {
	Cache      cache.Stats `json:"cache"`
	Goroutines int         `json:"goroutines"`
}

func (i *instance) stats(client *http.Client) (state, error) {
	var s state
	answer, err := client.Get(*i.base.Load() + "/soak/stats")
	if err != nil {
		return s, err
	}
	defer answer.Body.Close()
	return s, json.NewDecoder(answer.Body).Decode(&s)
}

// normal reports whether the instance uses its memory, and Redis where there is one.
func (s state) normal(redis bool) bool { return s.Cache.Fresh && (s.Cache.RedisReady || !redis) }
