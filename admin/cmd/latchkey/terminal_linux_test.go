package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// terminal opens a pseudo-terminal and returns the side of the person and the side of the program.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("SKIPPED: this machine has no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	var number, locked uint32
	for request, value := range map[uintptr]*uint32{syscall.TIOCSPTLCK: &locked, syscall.TIOCGPTN: &number} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, person.Fd(), request, uintptr(unsafe.Pointer(value))); errno != 0 {
			t.Fatal(errno)
		}
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("SKIPPED: this machine has no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

// heard is what a program has said so far.
type heard struct {
	mu   sync.Mutex
	said bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.said.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.said.String()
}

// answer runs the program on a terminal, and once it has asked, does what a person does.
func (sh *shell) answer(do func(terminal *os.File, p *os.Process), args ...string) result {
	sh.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	person, program := terminal(sh.t)
	var stdout bytes.Buffer
	var stderr heard
	cmd := sh.command(ctx, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = program, &stdout, &stderr
	if err := cmd.Start(); err != nil {
		sh.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	waitFor(sh.t, "a question, or the end", func() bool {
		select {
		case <-ended:
			return true
		default:
			return strings.Contains(stderr.String(), "? [y/N] ")
		}
	})
	do(person, cmd.Process)
	<-ended
	return sh.keep(result{sh.t, args, cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()})
}

func typed(text string) func(*os.File, *os.Process) {
	return func(terminal *os.File, _ *os.Process) { _, _ = terminal.WriteString(text) }
}

func TestRevokingByFilterAsksOnATerminal(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t)
	for n := range 7 {
		sh.secret(fmt.Sprint("key-", n))
	}
	alive := func() int { return len(sh.list("-status", "active")) }
	for name, c := range map[string]struct {
		do     func(*os.File, *os.Process)
		status int
		says   string
	}{
		"return is no":           {typed("\n"), exitFailed, "nothing was revoked"},
		"n is no":                {typed("n\n"), exitFailed, "nothing was revoked"},
		"another word is no":     {typed("yess\n"), exitFailed, "nothing was revoked"},
		"the end of input is no": {typed("\x04"), exitUsage, "there is no terminal to confirm it"},
		"an interrupt is no":     {func(_ *os.File, p *os.Process) { _ = p.Signal(os.Interrupt) }, exitFailed, "nothing was revoked"},
	} {
		sh.step(name, func(t *testing.T) {
			r := sh.answer(c.do, "revoke", "-all").exits(c.status).says("key-0", "key-4", "2 more", "7 keys", "[y/N] ", c.says)
			if strings.Contains(r.stderr, "key-5") || r.stdout != "" {
				t.Errorf("it said\n%s%s", r.stdout, r.stderr)
			}
			if n := alive(); n != 7 {
				t.Errorf("%d keys are left", n)
			}
		})
	}
	sh.step("a terminal that is gone is no", func(t *testing.T) {
		r := sh.answer(func(f *os.File, _ *os.Process) { f.Close() }, "revoke", "-all")
		if r.status == exitUsage { // it was gone before the question
			r.says("there is no terminal to confirm it")
		} else {
			r.exits(exitFailed).says("reading the answer")
		}
		if n := alive(); n != 7 {
			t.Errorf("%d keys are left", n)
		}
	})
	sh.step("every filter asks", func(t *testing.T) {
		for _, filter := range [][]string{{"-q", "key-0"}, {"-title", "key-0"}, {"-type", "secret"}, {"-created-before", "2190-01-01"}, {"-created-after", "2000-01-01", "-in", "1h"}} {
			sh.answer(typed("no\n"), append([]string{"revoke"}, filter...)...).exits(exitFailed).says("? [y/N] ")
		}
		if n := alive(); n != 7 {
			t.Errorf("%d keys are left", n)
		}
	})
	sh.step("yes", func(t *testing.T) {
		sh.answer(typed("y\n"), "revoke", "-title", "key-0").exits(exitOK).says("1 key ", "[y/N] ", "1 keys revoked")
		sh.answer(typed(" YES \r\n"), "revoke", "-title", "key-1").exits(exitOK)
		sh.answer(typed("y\n"), "revoke", "-title", "key-2", "-in", "1h").exits(exitOK).says("1 key at 20")
		if n := len(sh.list("-status", "revoked")); n != 2 {
			t.Errorf("%d keys are revoked", n)
		}
	})
	sh.step("not where there is nothing to decide", func(t *testing.T) {
		id := sh.list("-title", "key-3")[0].ID
		for _, args := range [][]string{{"-all", "-dry-run"}, {"-title", "nobody"}, {id}, {"-q", "key-4", "-yes"}} {
			if r := sh.answer(typed(""), append([]string{"revoke"}, args...)...).exits(exitOK); strings.Contains(r.stderr, "[y/N]") {
				t.Errorf("%v: it asked\n%s", args, r.stderr)
			}
		}
	})
	sh.step("the null device is no terminal", func(t *testing.T) {
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer null.Close()
		cmd := sh.command(t.Context(), "revoke", "-all")
		var stderr bytes.Buffer
		cmd.Stdin, cmd.Stderr = null, &stderr
		_ = cmd.Run()
		r := result{t, cmd.Args, cmd.ProcessState.ExitCode(), "", stderr.String()}
		if r.exits(exitUsage).says("-yes"); strings.Contains(r.stderr, "[y/N]") {
			t.Errorf("it asked\n%s", r.stderr)
		}
	})
}
