//go:build !unix

package servers

import (
	"errors"
	"os"
	"os/exec"
	"time"
)

// Servers need signals that stop and resume a process. Without them, tests that need a server are
// skipped.
const supported = false

var errUnsupported = errors.New("servers for tests need a Unix")

var (
	terminate = os.Kill
	interrupt = os.Kill
	quit      = os.Kill
)

const (
	guardKill = ""
	guardQuit = ""
)

type process struct{ done chan struct{} }

func start(*exec.Cmd, string, string, string) (*process, error) { return nil, errUnsupported }

func (p *process) pid() int                            { return 0 }
func (p *process) ended() bool                         { return true }
func (p *process) stop(os.Signal, time.Duration) error { return errUnsupported }
func (p *process) kill() error                         { return errUnsupported }
func (p *process) pause() error                        { return errUnsupported }
func (p *process) resume() error                       { return errUnsupported }

func unprivileged(*exec.Cmd, ...string) error { return errUnsupported }
