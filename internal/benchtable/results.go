package main

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// results are what one benchmark measured: by sub-benchmark ("" for itself) and unit, the values of
// all its runs. nil: nothing.
type results map[string]map[string][]float64

// parse reads what go test printed about the benchmark with that name.
func parse(benchmark, out string) results {
	r := results{}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], benchmark) {
			continue
		}
		name := fields[0]
		if i := strings.LastIndexByte(name, '-'); i > 0 { // the number of cores
			name = name[:i]
		}
		name = strings.TrimPrefix(strings.TrimPrefix(name, benchmark), "/")
		for i := 2; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				break
			}
			if r[name] == nil {
				r[name] = map[string][]float64{}
			}
			r[name][fields[i+1]] = append(r[name][fields[i+1]], value)
		}
	}
	return r
}

// lowest returns the least value of all runs; not a number when there is none, and then nothing
// that is computed from it is one.
func (r results) lowest(name, unit string) float64 {
	lowest := math.NaN()
	for _, v := range r[name][unit] {
		if !(v >= lowest) {
			lowest = v
		}
	}
	return lowest
}

// median returns the value in the middle, for what differs from start to start of the program; not
// a number when there is none.
func (r results) median(name, unit string) float64 {
	all := slices.Sorted(slices.Values(r[name][unit]))
	if len(all) == 0 {
		return math.NaN()
	}
	return (all[len(all)/2] + all[(len(all)-1)/2]) / 2
}

// ofLargest returns the time of an operation in the largest table.
func (r results) ofLargest(operation string) float64 {
	most, largest := 0, ""
	for unit := range r[operation] {
		text, _ := strings.CutPrefix(unit, "ns/")
		text, ok := strings.CutSuffix(text, "-keys")
		if n, err := strconv.Atoi(text); ok && err == nil && n > most {
			most, largest = n, unit
		}
	}
	return r.lowest(operation, largest)
}
