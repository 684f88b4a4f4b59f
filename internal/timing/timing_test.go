package main

import (
	"bytes"
	"context"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWelch(t *testing.T) {
	// Two samples whose t can be worked out by hand: means 3 and 5, variances 2.5 and 10, five of
	// each; t = -2 / sqrt(0.5 + 2).
	a, b := momentsOf([]float64{1, 2, 3, 4, 5}), momentsOf([]float64{1, 3, 5, 7, 9})
	if a.mean != 3 || b.mean != 5 || a.variance != 2.5 || b.variance != 10 {
		t.Errorf("moments %+v, %+v", a, b)
	}
	if got, want := welch(a, b), -2/math.Sqrt(2.5); math.Abs(got-want) > 1e-12 {
		t.Errorf("t is %v, want %v", got, want)
	}
	if got := welch(momentsOf([]float64{1, 1}), momentsOf([]float64{1, 1})); got != 0 {
		t.Errorf("the same twice: %v", got)
	}
	if got := welch(momentsOf([]float64{1, 1}), momentsOf([]float64{2, 2})); !math.IsInf(got, 0) {
		t.Errorf("two that never vary: %v", got)
	}
	if got := welch(momentsOf([]float64{1}), momentsOf([]float64{2, 3})); got != 0 {
		t.Errorf("one is no sample: %v", got)
	}
}

// noise is a time as machines give them: a base, a spread, and now and then an interruption.
func noise(rng *rand.Rand, shift float64) float64 {
	x := 30_000 + shift + 2_000*rng.NormFloat64()
	if rng.IntN(50) == 0 {
		x += 1e6 * rng.ExpFloat64()
	}
	return x
}

func TestSmallDifferencesAreFoundUnderInterruptions(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	sample := func(shift float64) []float64 {
		s := make([]float64, 20_000)
		for i := range s {
			s[i] = noise(rng, shift)
		}
		return s
	}
	a := sample(0)
	if v := compare(a, sample(0)); v.max >= threshold {
		t.Errorf("no difference is taken for one: %+v", v)
	}
	v := compare(a, sample(200)) // a tenth of the spread, and lost in the tail without cropping
	if v.max < threshold || v.crop == 0 || math.Abs(v.all) >= threshold {
		t.Errorf("200 ns are not found: %+v", v)
	}
}

func TestTheReportSaysWhatRequirement7Asks(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	with := func(slow kind, by float64) (samples [kinds][]float64) {
		for k := range samples {
			for range 5000 {
				shift := 0.0
				if kind(k) == slow {
					shift = by
				}
				samples[k] = append(samples[k], noise(rng, shift))
			}
		}
		return samples
	}
	for _, row := range []struct {
		name  string
		slow  kind
		by    float64
		apart bool
		says  string
	}{
		{"nothing", unknown, 0, false, ""},
		{"revoked keys take longer", revoked, 1000, true, "told apart\n"},
		{"expired keys take longer", expired, 1000, true, "told apart\n"},
		{"malformed keys take longer, as they may", malformed, 1000, false, "as everybody may"},
		{"the machine is restless", unknownAgain, 1000, false, "too restless"},
	} {
		var out bytes.Buffer
		if apart := report(&out, with(row.slow, row.by)); apart != row.apart || !strings.Contains(out.String(), row.says) || row.says == "" && strings.Contains(out.String(), "apart") {
			t.Errorf("%s: apart %v, want %v:\n%s", row.name, apart, row.apart, &out)
		}
	}
}

// The tool itself, on few answers: what it finds depends on the machine and is not asserted.
func TestRequirement07TheToolMeasuresEveryKindWarmAndCold(t *testing.T) {
	for _, at := range []string{"wire", "handler"} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var out, progress bytes.Buffer
		if _, err := run(ctx, options{samples: 120, at: at, state: "both", connections: 4, refusalTime: time.Millisecond, progress: &progress}, &out); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"warm, " + at, "cold, " + at, "unknown / revoked", "unknown / expired", "revoked / expired", "unknown / malformed", "unknown / unknown again"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q is not in\n%s", want, &out)
			}
		}
		if n := strings.Count(out.String(), " 120 "); n != 2*kinds {
			t.Errorf("%d samples of 120 answers, want %d:\n%s", n, 2*kinds, &out)
		}
		if !strings.Contains(progress.String(), "120 of 120 answers") {
			t.Errorf("progress: %q", &progress)
		}
	}
	for name, o := range map[string]options{
		"too few":     {samples: 1, at: "wire", state: "warm", connections: 1},
		"nobody asks": {samples: 1000, at: "wire", state: "warm"},
		"no state":    {samples: 1000, at: "wire", state: "hot", connections: 1},
		"nowhere":     {samples: 1000, at: "moon", state: "warm", connections: 1},
		"no database": {samples: 1000, at: "wire", state: "warm", connections: 1, database: "mysql:x"},
		"no Redis":    {samples: 1000, at: "wire", state: "warm", connections: 1, redis: "x"},
	} {
		o.progress = io.Discard
		if _, err := run(t.Context(), o, io.Discard); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
