package soak_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
)

// process is a program that the test runs.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// guardScript kills a process when the test dies before it: then the pipe closes without the word
// that all is over.
const guardScript = `trap '' HUP INT QUIT TERM; read -r pid || exit 0; read -r over && exit 0; kill -s KILL "$pid"`

// launch runs cmd until it ends by itself, is killed, or the test ends, however that does.
func launch(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	guard := exec.Command("/bin/sh", "-c", guardScript)
	pipe, err := guard.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := guard.Start(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		_ = pipe.Close()
		_ = guard.Wait()
		t.Fatal(err)
	}
	fmt.Fprintln(pipe, cmd.Process.Pid)
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait()
		_, _ = io.WriteString(pipe, "over\n")
		_ = pipe.Close()
		_ = guard.Wait()
	}()
	t.Cleanup(p.kill)
	return p
}

func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// kill ends the process as a crash does. It may have ended already.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}
