package sdk_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long the program may take to start. Machines that run tests can be slow.
const patience = 30 * time.Second

// shop is a running storefront and the keys of its first start.
type shop struct{ base, publishable, secret string }

// build builds the storefront and returns its path.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "storefront")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../example/storefront").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// start runs the program on a free port with an SQLite file of its own.
func start(t *testing.T, program string, medusa bool) shop {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(program)
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "ADDR=127.0.0.1:0"}
	if medusa {
		cmd.Env = append(cmd.Env, "MEDUSA_COMPAT=1")
	}
	var stdout, stderr output
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the program said:\n%s", &stderr)
		}
	})
	const last = "$PK\"\n\n" // how the text about the first keys ends
	for deadline := time.Now().Add(patience); !strings.HasSuffix(stdout.String(), last); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the program does not show its first keys: %s", &stdout)
		}
	}
	values := map[string]string{}
	for _, found := range regexp.MustCompile(`(?m)^export (\w+)=(\S+)$`).FindAllStringSubmatch(stdout.String(), -1) {
		values[found[1]] = found[2]
	}
	return shop{values["SHOP"], values["PK"], values["SK"]}
}

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
