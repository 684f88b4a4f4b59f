package security_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// make fuzz goes on when the Go toolchain ends a target whose time is up with an error
// (golang.org/issue/75804), and fails at the end when a target has failed. What Go says in each
// case is what Go 1.26 said, and another program says it here.
func TestFuzzingGoesOnAndNamesWhatFailed(t *testing.T) {
	const tail = "FAIL\nexit status 1\nFAIL\tpkg\t1.06s\n"
	cases := []struct {
		target, says string
		fails        bool
	}{
		{"FuzzPasses", "", false},
		{"FuzzTimeIsUp", "--- FAIL: FuzzTimeIsUp (1.05s)\n    context deadline exceeded\n" + tail, false},
		{"FuzzFinds", "--- FAIL: FuzzFinds (0.08s)\n    --- FAIL: FuzzFinds (0.00s)\n        a_test.go:4: context deadline exceeded\n    \n" +
			"    Failing input written to testdata/fuzz/FuzzFinds/06ba\n" + tail, true},
		{"FuzzSeed", "failure while testing seed corpus entry: FuzzSeed/seed#0\n--- FAIL: FuzzSeed (0.02s)\n    context deadline exceeded\n" + tail, true},
		{"FuzzExits", "--- FAIL: FuzzExits (0.07s)\n    fuzzing process hung or terminated unexpectedly: exit status 3\n" + tail, true},
		{"FuzzSetup", "--- FAIL: FuzzSetup (0.00s)\n    b_test.go:6: context deadline exceeded\n" + tail, true},
		{"FuzzBuild", "# pkg\na_test.go:1: undefined: x\nFAIL\tpkg [build failed]\n", true},
		{"FuzzTimeIsUpToo", "--- FAIL: FuzzTimeIsUpToo (1.05s)\n    context deadline exceeded\n" + tail, false},
	}
	script, err := filepath.Abs(filepath.Join(root, ".ci/fuzz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, all := range []bool{true, false} { // then only those that do not fail
		dir, source, failed := t.TempDir(), "package a\n", ""
		for _, c := range cases {
			if c.fails && !all {
				continue
			}
			source += "func " + c.target + "(f *testing.F) {}\n"
			if c.fails {
				failed += " " + c.target
			}
			write(t, filepath.Join(dir, c.target), c.says)
		}
		write(t, filepath.Join(dir, "a_test.go"), source)
		write(t, filepath.Join(dir, "go"), `#!/bin/sh
said=$(echo "$5" | tr -d '^$')
cat "$said"
! [ -s "$said" ]
`)
		cmd := exec.CommandContext(t.Context(), "sh", script, "1s")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GO="+filepath.Join(dir, "go"))
		out, err := cmd.CombinedOutput()
		if (err != nil) != (failed != "") {
			t.Errorf("ended with %v, want a failure for%q:\n%s", err, failed, out)
		}
		if ran := strings.Count(string(out), "\n== Fuzz") + 1; ran < strings.Count(source, "func Fuzz") {
			t.Errorf("only %d targets ran:\n%s", ran, out)
		}
		if named := regexp.MustCompile(`(?m)^FAILED:(.*)$`).FindStringSubmatch(string(out)); failed != "" && (named == nil || named[1] != failed) {
			t.Errorf("named are %q, want%q:\n%s", named, failed, out)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}
