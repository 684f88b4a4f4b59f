package cache

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// mutation breaks one rule of the protocol.
type mutation struct {
	rule string
	// faults are those that bring it to light soonest, if faults are needed.
	faults string
	// by is the test that must fail, when it is not TestSimulation.
	by    string
	edits []edit
}

// TestMutations is T6, for all rules: it breaks each rule of the protocol in a copy of this package
// and expects the simulation to notice. The copies are in a temporary folder: the Go command reads
// them through an overlay.
//
// The normal simulation runs the code unchanged, where no time passes between two steps that do not
// wait. In the copies time passes there as well (see stretched), so that the order of such steps
// matters.
//
// Building all copies takes minutes of processor time, so they are built only with -sim.mutations,
// as in make soak. Every run checks that each place to be edited still exists exactly once.
func TestMutations(t *testing.T) {
	here, err := os.Getwd()
	check(t, err)
	lab := &lab{dir: t.TempDir(), here: here, sources: readSources(t, here)}
	for _, err := range lab.sources.verify(append([]mutation{{rule: "(stretched)", edits: stretched}}, mutations...)) {
		t.Error(err)
	}
	if *simMutations == "" {
		return
	}
	t.Run("without a mutation nothing fails", func(t *testing.T) {
		if out, err := lab.run(mutation{faults: "any", by: "TestSimulation|TestScenarios"}, 150); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	})
	if t.Failed() {
		return
	}
	next := make(chan mutation)
	var labs sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		labs.Go(func() {
			for m := range next {
				began := time.Now()
				out, err := lab.run(m, 600)
				var exit *exec.ExitError
				switch {
				case err == nil:
					t.Errorf("%s: nothing fails:\n%s", m.rule, out)
				case !errors.As(err, &exit), strings.Contains(out, "panic:"), !strings.Contains(out, "--- FAIL"):
					t.Errorf("%s: %v\n%s", m.rule, err, out)
				default:
					t.Logf("%s: found after %v: %s", m.rule, time.Since(began).Round(100*time.Millisecond), firstLine(out))
				}
			}
		})
	}
	for _, m := range mutations {
		if only := regexp.MustCompile(*simMutations); !only.MatchString(m.rule) {
			continue
		}
		next <- m
	}
	close(next)
	labs.Wait()
}

func firstLine(out string) string {
	for line := range strings.Lines(out) {
		if i := strings.Index(line, "_test.go:"); i >= 0 {
			_, line, _ = strings.Cut(line[i:], ": ")
			return strings.TrimSpace(line)
		}
	}
	return "?"
}

// lab builds and runs altered copies of this package.
type lab struct {
	dir, here string
	sources   *sources
}

// run builds the package with the mutation and runs the simulation for up to so many seeds. It
// returns what was printed; the error is the Go command's or the test's.
func (l *lab) run(m mutation, seeds int) (string, error) {
	dir, err := os.MkdirTemp(l.dir, "")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	files, err := l.sources.alter(m.edits, stretched)
	if err != nil {
		return "", err
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for _, name := range []string{"stretch.go", "sim_stretch_test.go"} {
		overlay.Replace[filepath.Join(l.here, name)] = filepath.Join(l.here, "testdata", "stretch", name)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", err
		}
		overlay.Replace[filepath.Join(l.here, name)] = path
	}
	for name := range l.sources.files { // other tests would only have to be compiled
		simulation := strings.HasPrefix(name, "sim_") && !strings.HasPrefix(name, "sim_mut") && name != "sim_real_test.go"
		if strings.HasSuffix(name, "_test.go") && !simulation {
			overlay.Replace[filepath.Join(l.here, name)] = ""
		}
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	list, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "mutant.test")
	if err := os.WriteFile(list, text, 0o600); err != nil {
		return "", err
	}
	// Inlining and debug information would be half of the time that all this takes.
	build := exec.Command("go", "test", "-c", "-vet=off", "-gcflags=-l -dwarf=false", "-ldflags=-s -w", "-overlay", list, "-o", binary, ".")
	build.Dir = l.here
	if out, err := build.CombinedOutput(); err != nil {
		return string(out), fmt.Errorf("build: %v", err)
	}
	if m.by == "" {
		m.by = "TestSimulation"
	}
	run := exec.Command(binary, "-test.run", m.by, "-test.timeout", "120s", "-sim.seeds", fmt.Sprint(seeds), "-sim.faults", m.faults)
	run.Dir = l.here
	out, err := run.CombinedOutput()
	return string(out), err
}
