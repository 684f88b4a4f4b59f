package main

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const printed = `goos: linux
cpu: AMD EPYC
BenchmarkX/ours-2         	     100	       900 ns/op	       0 B/op	       3 allocs/op
BenchmarkX/ours-2         	     100	       800.5 ns/op	       0 B/op	       3 allocs/op
BenchmarkX/theirs-2       	     100	       400 ns/op	       0 B/op	       2 allocs/op
BenchmarkX/Table-2        	     100	       1 ns/op	       1.2 growth	     100 ns/1000-keys	     120 ns/50000-keys
BenchmarkXY/ours-2        	     100	       1 ns/op
PASS
`

func TestTheLeastOrTheMedianOfAllRunsCounts(t *testing.T) {
	r := parse("BenchmarkX", printed)
	if got := r.lowest("ours", "ns/op"); got != 800.5 {
		t.Errorf("got %v", got)
	}
	if got := r.ofLargest("Table"); got != 120 {
		t.Errorf("largest table: got %v", got)
	}
	if got := r.median("ours", "ns/op"); got != 850.25 {
		t.Errorf("median: got %v", got)
	}
	if got := r.median("ours", "furlongs"); !math.IsNaN(got) {
		t.Errorf("median of nothing: got %v", got)
	}
}

func TestTheTable(t *testing.T) {
	x := benchmark{pkg: "p", name: "BenchmarkX"}
	broken := benchmark{pkg: "p", name: "BenchmarkBroken"}
	calls := 0
	run := func(b benchmark) (string, error) {
		calls++
		if b == broken {
			return "panic", errors.New("exit status 2")
		}
		return printed, nil
	}
	for _, c := range []struct {
		name string
		row  row
		says string
		good bool
	}{
		{"reached", row{"a", "b", x, atMost(3, "≤ 3 ×"), times("ours", "theirs")}, "| a | 800 ns | b: 400 ns | 2.00 × | ≤ 3 × | reached |", true},
		{"missed by less than half", row{"a", "b", x, atMost(1.6, "≤ 1.6 ×"), times("ours", "theirs")}, "| missed by 25 % |", true},
		{"missed by more than half", row{"a", "b", x, atMost(200, "≤ 200 ns"), minus("ours", "theirs")}, "| +400 ns | ≤ 200 ns | **missed by 100 %** |", false},
		{"too little", row{"a", "b", x, atLeast(5, "≥ 5 ×"), times("ours", "theirs")}, "**missed by 150 %**", false},
		{"enough", row{"a", "b", x, atLeast(2, "≥ 2 ×"), times("ours", "theirs")}, "reached", true},
		{"a zero that is none", row{"a", "", x, atMost(0, "0"), func(r results) (string, string, float64) { return "3", "", r.lowest("ours", "allocs/op") }}, "missed by 300 %", false},
		{"no such sub-benchmark", row{"a", "b", x, atMost(3, "≤ 3 ×"), times("gone", "theirs")}, "| – | b: – | – | ≤ 3 × | not measured |", false},
		{"a benchmark that fails", row{"a", "b", broken, atMost(3, "≤ 3 ×"), times("ours", "theirs")}, "not measured", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, progress bytes.Buffer
			calls = 0
			if good := report(&out, &progress, []row{c.row, c.row}, run); good != c.good || strings.Count(out.String(), c.says) != 2 {
				t.Errorf("%v\n%s", good, out.String())
			}
			if calls != 1 {
				t.Errorf("the benchmark ran %d times for two rows", calls)
			}
		})
	}
	t.Run("nothing measured is not good", func(t *testing.T) {
		var out bytes.Buffer
		if report(&out, &out, nil, run) {
			t.Error("it is")
		}
	})
}

// A row whose benchmark has been renamed would only be noticed before a release.
func TestEveryRowNamesABenchmarkThatExists(t *testing.T) {
	for _, r := range choose(rows(), regexp.MustCompile(".")) {
		files, err := filepath.Glob(filepath.Join("..", "..", r.from.pkg, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found = found || bytes.Contains(text, []byte("func "+r.from.name+"(b *testing.B)"))
		}
		if !found {
			t.Errorf("%s: no %s in %s", r.what, r.from.name, r.from.pkg)
		}
	}
	if got := choose(rows(), regexp.MustCompile(`^cache\.`)); len(got) == 0 || len(got) == len(rows()) {
		t.Errorf("%d rows are of package cache", len(got))
	}
}
