package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// The tests run the program as its users do: built, in a process of its own, on a free port, with
// nothing in its environment but what a test gives it.

func TestMain(m *testing.M) { goleak.VerifyTestMain(builder{servers.Main(m)}) }

// builder builds the program before the tests run, and removes it after them.
type builder struct{ runner *servers.Runner }

func (b builder) Run() int {
	dir, err := os.MkdirTemp("", "storefront")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	args := append(append([]string{"build"}, buildFlags()...), "-o", binary(dir), ".")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	os.Setenv(binaryDir, dir)
	return b.runner.Run()
}

// binaryDir names the environment variable that tells the tests where the program is.
const binaryDir = "LATCHKEY_TEST_STOREFRONT"

func binary(dir string) string { return filepath.Join(dir, "storefront") }
