package soak_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// oldCommit is version 1, which rolling deploys begin with. testdata/f8ca000.patch gives its
// instance the flags and answers that today's has; the rest of that program is as it was.
const oldCommit = "f8ca000f89178207f4c3eb76a68a04f725f4a6c3"

// oldPrograms are the folder with the instance and the command line of oldCommit.
type oldPrograms struct{ dir string }

func (p oldPrograms) instance() string { return filepath.Join(p.dir, "instance") }
func (p oldPrograms) latchkey() string { return filepath.Join(p.dir, "latchkey") }

// latest is the command line of this tree.
func (p oldPrograms) latest() string { return filepath.Join(p.dir, "latest", "latchkey") }

var errNoHistory = errors.New("the git history here does not reach back to it")

// version1 builds the programs of oldCommit, once. Where that cannot be done it skips the test;
// with CI set, only for want of history.
func version1(t testing.TB) oldPrograms {
	t.Helper()
	dir, err := buildOld()
	switch {
	case err == nil:
	case errors.Is(err, errNoHistory) || os.Getenv("CI") == "":
		t.Skipf("SKIPPED: no program of commit %.7s to run beside today's: %v", oldCommit, err)
	default:
		t.Fatalf("no program of commit %.7s to run beside today's: %v", oldCommit, err)
	}
	return oldPrograms{dir}
}

var buildOld = sync.OnceValues(func() (string, error) {
	if err := exec.Command("git", "cat-file", "-e", oldCommit+"^{commit}").Run(); err != nil {
		return "", fmt.Errorf("%w: git cat-file: %v", errNoHistory, err)
	}
	patch, err := filepath.Abs("testdata/f8ca000.patch")
	if err != nil {
		return "", err
	}
	base := filepath.Join(filepath.Dir(os.Getenv(programEnv)), "f8ca000") // TestMain removes it
	tree := filepath.Join(base, "tree")
	if err := os.MkdirAll(tree, 0o700); err != nil {
		return "", err
	}
	steps := [][]string{
		{"tar", "-x"},
		{"git", "apply", patch},
		{"go", "build", "-o", base + "/", "./example/soak/instance", "./admin/cmd/latchkey"},
	}
	archive := exec.Command("git", "archive", oldCommit)
	archive.Dir = filepath.Join("..", "..") // git archive packs the folder that it is called in
	var files bytes.Buffer
	archive.Stdout = &files
	if err := archive.Run(); err != nil {
		return "", fmt.Errorf("git archive: %w", err)
	}
	for _, step := range steps {
		cmd := exec.Command(step[0], step[1:]...)
		cmd.Dir, cmd.Stdin = tree, &files
		cmd.Env = append(os.Environ(), "GOWORK=off", "GIT_CEILING_DIRECTORIES="+base)
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%q: %w\n%s", step, err, out)
		}
	}
	latest := exec.Command("go", "build", "-o", filepath.Join(base, "latest")+"/", "../../admin/cmd/latchkey")
	if out, err := latest.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return base, os.RemoveAll(tree)
})
