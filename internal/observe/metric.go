package observe

// Metric is a number that a part of Latchkey knows about itself, with the name under which package
// telemetry exports it.
type Metric struct {
	Name, Unit, Help string
	Gauge            bool // it may fall; else it only rises, from 0 at the start of the process
	Value            float64
	// Label and Is distinguish the numbers of one name: {layer="redis"}. Both are empty when there
	// is only one. Is comes from a short fixed list: never from a request, a key or an error.
	Label, Is string
}

// Counter returns a number that only rises. Units are as in UCUM: "s", or "{lookup}" for what is
// counted. The help is one sentence.
func Counter(name, unit, help string, n uint64) Metric {
	return Metric{Name: name, Unit: unit, Help: help, Value: float64(n)}
}

// Gauge returns a number that rises and falls.
func Gauge(name, unit, help string, value float64) Metric {
	return Metric{Name: name, Unit: unit, Help: help, Gauge: true, Value: value}
}

// Flag returns a number that is 1 while something is true, and 0 else.
func Flag(name, help string, is bool) Metric {
	m := Gauge(name, "", help, 0)
	if is {
		m.Value = 1
	}
	return m
}

// With returns m with a label.
func (m Metric) With(label, is string) Metric {
	m.Label, m.Is = label, is
	return m
}
