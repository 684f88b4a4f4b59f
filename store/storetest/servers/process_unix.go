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

// farewell is the signal, by its name in kill(1), that the guard sends.
const (
	farewellKill = "KILL"
	farewellQuit = "QUIT"
)

// process is a server that this program started, with the guard that ends it should this program die first.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended and its guard is gone
}

// start runs cmd, whose output goes to the file at log. When this program dies before it, the process is sent the
// signal and folder is removed.
func start(cmd *exec.Cmd, log, farewell, folder string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	g, err := startGuard(farewell, folder)
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
		_ = cmd.Wait() // how it ended is in its log
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

// stop asks the process to end in its own way, and kills it when it has not done so in time.
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

// kill ends the process and its children as a crash does. The children go first, while their parent is stopped: it can
// neither start new ones nor collect dead ones, so that none of their ids can have come to mean another process.
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

// pause stops the process and its children, and returns once they stand still.
func (p *process) pause() error {
	if err := p.freeze(); err != nil {
		return err
	}
	if p.ended() {
		return errors.New("it is not running")
	}
	return p.signalChildren(syscall.SIGSTOP, "TZ")
}

// resume lets the process and its children go on. It is harmless when they were not paused.
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

// signalChildren signals every child and waits until each is in one of the states. The process itself must be stopped.
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

// await polls until every process that is meant is in one of the states, as ps(1) names them.
func (p *process) await(meant func(child) bool, states string) error {
	deadline := time.Now().Add(startWithin)
	for {
		all, err := processes()
		if err != nil {
			return err
		}
		waiting := 0
		for _, c := range all {
			if meant(c) && !strings.Contains(states, c.state) {
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
	var of []child
	for _, c := range all {
		if c.parent == p.pid() {
			of = append(of, c)
		}
	}
	return of, nil
}

// child is one line of the table of processes.
type child struct {
	pid, parent int
	state       string // one letter: T stopped, Z ended but not yet collected by its parent
}

// processes reads the table of processes, from /proc where there is one (slim containers have no ps), else from ps.
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
		// "pid (program) state parent …"; the program's name may hold spaces and brackets.
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

// guardScript reads the id of a process, then waits for the word that the process has ended. When instead the pipe closes, this
// program has died: it signals the process, wakes it in case it was paused, and removes its folder once it is gone.
const guardScript = `trap '' HUP INT QUIT TERM
read -r pid || exit 0
read -r over && exit 0
kill -s "$1" "$pid"
kill -s CONT "$pid"
i=0
while [ $i -lt 10 ] && kill -s 0 "$pid"; do i=$((i+1)); sleep 1; done
[ $i -lt 10 ] || kill -s KILL "$pid"
rm -rf "$2"`

// guard ends a process should this program die first.
type guard struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

func startGuard(farewell, folder string) (*guard, error) {
	cmd := exec.Command("/bin/sh", "-c", guardScript, "guard", farewell, folder)
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

// watch and dismiss ignore errors of the pipe: a guard that is gone has nothing left to be told.
func (g *guard) watch(pid int) { _, _ = fmt.Fprintln(g.pipe, pid) }

// dismiss tells the guard that there is nothing left to end, and waits for it.
func (g *guard) dismiss() {
	_, _ = fmt.Fprintln(g.pipe, "over")
	_ = g.pipe.Close()
	_ = g.cmd.Wait()
}

// unprivileged makes cmd run as somebody else when this program runs as root, which PostgreSQL refuses, and gives
// that user the folders.
func unprivileged(cmd *exec.Cmd, folders ...string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	uid, gid, err := servant()
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

// servant finds the user that servers run as when this program is root.
func servant() (uid, gid int, err error) {
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
