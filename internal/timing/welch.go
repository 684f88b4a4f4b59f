package main

import (
	"math"
	"slices"
)

// threshold is where a difference counts as one (dudect; one in some 150 000 by chance for a single
// test).
const threshold = 4.5

// crops is how many growing parts of the slowest answers are left out in turn: interruptions make a
// long tail that hides small differences.
const crops = 20

// moments are mean and variance of a sample.
type moments struct {
	n, mean, variance float64
}

// momentsOf follows Welford: one pass, without the loss of digits of a sum of squares.
func momentsOf(s []float64) moments {
	var m moments
	squares := 0.0
	for _, x := range s {
		m.n++
		d := x - m.mean
		m.mean += d / m.n
		squares += d * (x - m.mean)
	}
	if m.n > 1 {
		m.variance = squares / (m.n - 1)
	}
	return m
}

func (m moments) deviation() float64 { return math.Sqrt(m.variance) }

// welch returns Welch's t for two samples of unequal variance; 0 when there is nothing to compare.
func welch(a, b moments) float64 {
	if a.n < 2 || b.n < 2 {
		return 0
	}
	spread := math.Sqrt(a.variance/a.n + b.variance/b.n)
	switch {
	case spread > 0:
		return (a.mean - b.mean) / spread
	case a.mean == b.mean:
		return 0
	default:
		return math.Inf(1)
	}
}

// verdict is what comparing two samples gave.
type verdict struct {
	difference float64 // of the means, b minus a
	all        float64 // t over everything
	max        float64 // the greatest |t|, cropped or not
	crop       float64 // which part was left out when it was found
}

// compare is the test: over everything, and over what is left below each of some percentiles of
// both samples together, which are 1 - 0.5^(10·i/n) as in dudect.
func compare(a, b []float64) verdict {
	ma, mb := momentsOf(a), momentsOf(b)
	v := verdict{difference: mb.mean - ma.mean, all: welch(mb, ma)}
	v.max = math.Abs(v.all)
	together := slices.Concat(a, b)
	slices.Sort(together)
	for i := 1; i < crops; i++ {
		keep := 1 - math.Pow(0.5, 10*float64(i)/crops)
		limit := together[int(keep*float64(len(together)-1))]
		if t := math.Abs(welch(momentsOf(below(a, limit)), momentsOf(below(b, limit)))); t > v.max {
			v.max, v.crop = t, 1-keep
		}
	}
	return v
}

func below(s []float64, limit float64) []float64 {
	kept := make([]float64, 0, len(s))
	for _, x := range s {
		if x <= limit {
			kept = append(kept, x)
		}
	}
	return kept
}

func median(s []float64) float64 {
	sorted := slices.Sorted(slices.Values(s))
	return sorted[len(sorted)/2]
}
