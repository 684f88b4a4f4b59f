package soak_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(builder{servers.Main(m)}) }

// builder builds the instance before the tests run, and removes it after them. It is built without
// the race detector even when the test has it: five such processes on two cores would be a test of
// the detector.
type builder struct{ runner *servers.Runner }

func (b builder) Run() int {
	dir, err := os.MkdirTemp("", "latchkey-soak-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "instance")
	if out, err := exec.Command("go", "build", "-o", program, "./instance").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	os.Setenv(programEnv, program)
	return b.runner.Run()
}

// programEnv tells the tests where the instance's program is.
const programEnv = "LATCHKEY_TEST_SOAK_INSTANCE"
