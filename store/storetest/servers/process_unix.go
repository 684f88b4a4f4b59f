//go:build unix

package servers

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const supported = true

var (
	terminate = syscall.SIGTERM
	interrupt = syscall.SIGINT
	quit      = syscall.SIGQUIT
)

// These are the signals that the guard may send, as named in kill(1).
const (
	guardKill = "KILL"
	guardQuit = "QUIT"
)

// process is a server that this program started, with the guard that ends it if this program dies
// first.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended and its guard is gone
}

// start runs cmd with its output in the file log. If this program dies first, the guard sends the
// process the signal and removes the folder.
func start(cmd *exec.Cmd, log, guardSignal, folder string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	g, err := startGuard(guardSignal, folder)
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		g.dismiss()
		return nil, err
	}
	g.watch(cmd.Process.Pid)
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // its log has the reason
		g.dismiss()
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop sends the signal how. If the process does not end in time, stop kills it.
func (p *process) stop(how os.Signal, within time.Duration) error {
	if err := p.resume(); err != nil {
		return err
	}
	if err := p.signal(how); err != nil {
		return err
	}
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case <-p.done:
		return nil
	case <-late.C:
		return errors.Join(fmt.Errorf("process %d did not end within %v of %v", p.pid(), within, how), p.kill())
	}
}

// kill ends the process and its children like a crash. The children are killed first, while their
// parent is stopped: it can neither start new ones nor reap dead ones, so none of their ids can
// belong to another process.
func (p *process) kill() error {
	if p.ended() {
		return nil
	}
	if err := p.freeze(); err != nil {
		return err
	}
	if err := p.signalChildren(syscall.SIGKILL, "Z"); err != nil {
		return err
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return nil
}

// pause stops the process and its children, and returns when all have stopped.
func (p *process) pause() error {
	if err := p.freeze(); err != nil {
		return err
	}
	if p.ended() {
		return errors.New("it is not running")
	}
	return p.signalChildren(syscall.SIGSTOP, "TZ")
}

// resume continues the process and its children. It is harmless if they were not paused.
func (p *process) resume() error {
	if p.ended() {
		return nil
	}
	children, err := p.children()
	if err != nil {
		return err
	}
	for _, c := range children {
		_ = syscall.Kill(c.pid, syscall.SIGCONT) // it may have ended since
	}
	return p.signal(syscall.SIGCONT)
}

// freeze stops the process itself.
func (p *process) freeze() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return p.await(func(c child) bool { return c.pid == p.pid() }, "TZ")
}

func (p *process) signal(s os.Signal) error {
	err := p.cmd.Process.Signal(s)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// signalChildren signals every child and waits until each is in one of the states. The process
// itself must be stopped.
func (p *process) signalChildren(s syscall.Signal, states string) error {
	children, err := p.children()
	if err != nil {
		return err
	}
	for _, c := range children {
		if err := syscall.Kill(c.pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signal child %d of process %d: %w", c.pid, p.pid(), err)
		}
	}
	return p.await(func(c child) bool { return c.parent == p.pid() }, states)
}

// await polls until every process for which match is true is in one of the states, as named in
// ps(1).
func (p *process) await(match func(child) bool, states string) error {
	deadline := time.Now().Add(startTimeout)
	for {
		all, err := processes()
		if err != nil {
			return err
		}
		waiting := 0
		for _, c := range all {
			if match(c) && !strings.Contains(states, c.state) {
				waiting = c.pid
			}
		}
		if waiting == 0 || p.ended() {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d did not reach state %s", waiting, states)
		}
		time.Sleep(time.Millisecond)
	}
}

func (p *process) children() ([]child, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	var children []child
	for _, c := range all {
		if c.parent == p.pid() {
			children = append(children, c)
		}
	}
	return children, nil
}

// child is one line of the process table.
type child struct {
	pid, parent int
	state       string // one letter: T stopped, Z ended but not yet reaped by its parent
}

// processes reads the process table, from /proc if it exists (slim containers have no ps), else
// from ps.
func processes() ([]child, error) {
	if stats, _ := filepath.Glob("/proc/[0-9]*/stat"); len(stats) > 0 {
		return procTable(stats), nil
	}
	out, err := exec.Command("ps", "-A", "-o", "pid=", "-o", "ppid=", "-o", "state=").Output()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var all []child
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) >= 3 {
			all = append(all, newChild(f[0], f[1], f[2]))
		}
	}
	return all, nil
}

func procTable(stats []string) []child {
	var all []child
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended since
		}
		// "pid (program) state parent …"; the program's name may contain spaces and brackets.
		line := string(b)
		end := strings.LastIndexByte(line, ')')
		if f := strings.Fields(line[end+1:]); end > 0 && len(f) >= 2 {
			all = append(all, newChild(filepath.Base(filepath.Dir(name)), f[1], f[0]))
		}
	}
	return all
}

func newChild(pid, parent, state string) child {
	c := child{state: state[:1]}
	c.pid, _ = strconv.Atoi(pid) // both come from the kernel
	c.parent, _ = strconv.Atoi(parent)
	return c
}

// guardScript reads the id of a process, then waits for a line that the process has ended. If the
// pipe closes instead, this program has died. Then it signals the process, wakes it in case it was
// paused, and removes its folder once it has ended.
const guardScript = `trap '' HUP INT QUIT TERM
read -r pid || exit 0
read -r over && exit 0
kill -s "$1" "$pid"
kill -s CONT "$pid"
i=0
while [ $i -lt 10 ] && kill -s 0 "$pid"; do i=$((i+1)); sleep 1; done
[ $i -lt 10 ] || kill -s KILL "$pid"
rm -rf "$2"`

// guard ends a process if this program dies first.
type guard struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

func startGuard(guardSignal, folder string) (*guard, error) {
	cmd := exec.Command("/bin/sh", "-c", guardScript, "guard", guardSignal, folder)
	cmd.Dir = "/"
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start guard: %w", err)
	}
	return &guard{cmd: cmd, pipe: pipe}, nil
}

// watch sends the guard the process id. watch and dismiss ignore errors of the pipe: they mean that
// the guard has ended.
func (g *guard) watch(pid int) { _, _ = fmt.Fprintln(g.pipe, pid) }

// dismiss stops the guard, because the process has ended, and waits for it.
func (g *guard) dismiss() {
	_, _ = fmt.Fprintln(g.pipe, "over")
	_ = g.pipe.Close()
	_ = g.cmd.Wait()
}

// unprivileged makes cmd run as another user if this program runs as root, which PostgreSQL
// refuses, and gives that user the folders.
func unprivileged(cmd *exec.Cmd, folders ...string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	uid, gid, err := serverUser()
	if err != nil {
		return err
	}
	for _, f := range folders {
		if err := os.Chown(f, uid, gid); err != nil {
			return fmt.Errorf("hand over folder: %w", err)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return nil
}

// serverUser returns the user for servers if this program runs as root.
func serverUser() (uid, gid int, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.Atoi(u.Uid)
		gid, gerr := strconv.Atoi(u.Gid)
		if uerr == nil && gerr == nil && uid != 0 {
			return uid, gid, nil
		}
	}
	return 0, 0, errors.New("PostgreSQL does not run as root, and this system has neither a user postgres nor nobody")
}
