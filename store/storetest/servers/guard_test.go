//go:build unix

package servers_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// inChild names the environment variable that makes one of the tests below play its part in a
// process of its own.
const inChild = "LATCHKEY_SERVERS_CHILD"

func TestServersDoNotOutliveTheTestProcess(t *testing.T) {
	if os.Getenv(inChild) != "" {
		r, p := servers.NewRedis(t), servers.NewPostgres(t)
		// Paused, the hardest case: they cannot hear that anything has happened.
		r.Pause()
		p.Pause()
		fmt.Println("started", r.Addr(), r.Dir(), p.Addr(), filepath.Dir(p.Dir()))
		_, _ = io.Copy(io.Discard, os.Stdin) // until killed
		return
	}
	cmd := child(t)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var f []string
	var said strings.Builder
	for lines := bufio.NewScanner(out); f == nil && lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "started "); ok {
			f = strings.Fields(rest)
		}
		said.WriteString(lines.Text() + "\n")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if len(f) != 4 {
		if strings.Contains(said.String(), "SKIPPED") {
			t.Skip(said.String())
		}
		t.Fatalf("the other process did not start its servers:\n%s", said.String())
	}
	for _, addr := range []string{f[0], f[2]} {
		eventually(t, addr+" is still served", func() bool {
			c, err := net.DialTimeout("tcp", addr, time.Second)
			if err == nil {
				c.Close()
			}
			return err != nil
		})
	}
	for _, dir := range []string{f[1], f[3]} {
		eventually(t, dir+" is still there", func() bool {
			_, err := os.Stat(dir)
			return errors.Is(err, os.ErrNotExist)
		})
		eventually(t, "processes still work in "+dir, func() bool { return workingIn(dir) == 0 })
	}
}

func TestMissingServerIsASkipOnALaptopAndAFailureInCI(t *testing.T) {
	if os.Getenv(inChild) != "" {
		servers.NewRedis(t)
		return
	}
	for _, c := range []struct{ ci, want string }{
		{"", "--- SKIP"},
		{"true", "--- FAIL"},
	} {
		cmd := child(t)
		cmd.Env = append(cmd.Env, "PATH=", "CI="+c.ci)
		out, _ := cmd.CombinedOutput()
		if !strings.Contains(string(out), c.want) || !strings.Contains(string(out), "apt-get install redis-server") {
			t.Errorf("with CI=%q: want %q and what to install, got\n%s", c.ci, c.want, out)
		}
	}
}

// child returns a command that runs the calling test, and only it, in another process.
func child(t *testing.T) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), inChild+"=1")
	return cmd
}

// eventually polls. The deadline is above the ten seconds after which the guard gives up on a
// polite end.
func eventually(t *testing.T, complaint string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error(complaint)
			return
		}
	}
}

// workingIn counts the processes whose working folder lies in dir, where the system has a /proc to
// tell.
func workingIn(dir string) int {
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	n := 0
	for _, l := range links {
		if cwd, err := os.Readlink(l); err == nil && strings.HasPrefix(cwd, dir) {
			n++
		}
	}
	return n
}
