// Command benchtable runs the benchmarks behind the project's performance targets and prints them
// as one Markdown table, each beside what it is compared with. It ends with status 1 when a target
// is missed by more than half, or could not be measured. make bench runs it; see
// docs/performance.md.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// tolerance is by what factor a target may be missed: machines differ, and are busy.
const tolerance = 1.5

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	only := flag.String("only", ".", "measure only the benchmarks that match this regular `expression`")
	keys := flag.Int("keys", 1_000_000, "how many keys the largest table has")
	flag.Parse()
	selected, err := regexp.Compile(*only)
	if err != nil || flag.NArg() > 0 || *keys < 1000 {
		fmt.Fprintln(os.Stderr, "benchtable: -only takes a regular expression, -keys a number from 1000, and there are no other arguments:", err)
		os.Exit(2)
	}
	run := func(b benchmark) (string, error) { return goTest(ctx, b, *keys) }
	if !report(os.Stdout, os.Stderr, choose(rows(), selected), run) {
		os.Exit(1)
	}
}

// choose keeps the rows whose benchmark, as "package.Benchmark", matches.
func choose(all []row, selected *regexp.Regexp) []row {
	var chosen []row
	for _, r := range all {
		if selected.MatchString(r.from.pkg + "." + r.from.name) {
			chosen = append(chosen, r)
		}
	}
	return chosen
}

// goTest runs one benchmark and returns what it printed.
func goTest(ctx context.Context, b benchmark, keys int) (string, error) {
	args := append([]string{"test", module + b.pkg, "-run=^$", "-bench=^" + b.name + "$", "-benchmem", "-timeout=20m"}, strings.Fields(b.times)...)
	if b.keys {
		args = append(args, "-keys="+strconv.Itoa(keys))
	}
	var out bytes.Buffer
	for range 1 + b.again {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Stdout, cmd.Stderr = &out, os.Stderr
		if err := cmd.Run(); err != nil {
			return out.String(), err
		}
	}
	return out.String(), nil
}

// report measures and writes the table to w, and what it is doing meanwhile to progress. It returns
// false when a target was missed by more than the tolerance or not measured.
func report(w, progress io.Writer, rows []row, run func(benchmark) (string, error)) bool {
	began := time.Now()
	measured := map[benchmark]results{}
	failed := map[benchmark]error{}
	for _, r := range rows {
		if measured[r.from] != nil || failed[r.from] != nil {
			continue
		}
		fmt.Fprintf(progress, "# %4.0f s, load %s: %s in %s\n", time.Since(began).Seconds(), load(), r.from.name, r.from.pkg)
		out, err := run(r.from)
		if err != nil {
			fmt.Fprintf(progress, "%s# %s failed: %v\n", out, r.from.name, err)
			failed[r.from] = err
			continue
		}
		measured[r.from] = parse(r.from.name, out)
	}
	fmt.Fprintf(w, "%s, %s, %d cores, load average at the end %s\n\n", time.Now().Format(time.DateOnly), runtime.Version(), runtime.NumCPU(), load())
	fmt.Fprint(w, "| measured | Latchkey | beside it | is | to reach | | benchmark |\n|---|---|---|---|---|---|---|\n")
	good := len(rows) > 0
	for _, r := range rows {
		line, ok := r.line(measured[r.from])
		fmt.Fprintln(w, line)
		good = good && ok
	}
	return good
}

// line returns the row in Markdown, and whether it may stand.
func (r row) line(m results) (string, bool) {
	ours, theirs, value := r.read(m)
	missed, verdict, is := r.goal.missed(value), "not measured", "–"
	measured := !math.IsNaN(missed)
	if !measured {
		ours, theirs = "–", "–"
	} else {
		is = r.is(value)
		switch {
		case missed <= 1:
			verdict = "reached"
		case missed <= tolerance:
			verdict = fmt.Sprintf("missed by %.0f %%", 100*(missed-1))
		default:
			verdict = fmt.Sprintf("**missed by %.0f %%**", 100*(missed-1))
		}
	}
	beside := r.beside
	if beside != "" {
		beside += ": " + theirs
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | `%s.%s` |", r.what, ours, beside, is, r.goal.text, verdict, r.from.pkg, r.from.name),
		measured && missed <= tolerance
}

// is writes the value that the goal is about in the goal's own unit.
func (r row) is(value float64) string {
	switch {
	case strings.Contains(r.goal.text, "%"):
		return fmt.Sprintf("%.1f %%", 100*value)
	case strings.Contains(r.goal.text, "ns"):
		return fmt.Sprintf("%+.0f ns", value)
	case strings.Contains(r.goal.text, "×") && value < 100:
		return fmt.Sprintf("%.2f ×", value)
	case strings.Contains(r.goal.text, "×"):
		return fmt.Sprintf("%.0f ×", value)
	default:
		return fmt.Sprintf("%.0f", value)
	}
}

// load is the load average of the last minute, where the system tells.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}
