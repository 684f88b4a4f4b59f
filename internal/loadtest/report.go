package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// progress returns what writes a line each second, with how long the warm requests take or, if
// there are none, the next kind.
func progress(w io.Writer, l *load) func(time.Duration) {
	last, before := int64(0), time.Duration(0)
	shown := warm
	for shown < classes-1 && l.mix[shown] == 0 {
		shown++
	}
	return func(now time.Duration) {
		n := l.answered()
		rate := float64(n-last) / (now - before).Seconds()
		last, before = n, now
		fmt.Fprintf(w, "%4.0f s %8.0f requests/s   %s p50 %s, p99 %s   without answer %d\n",
			now.Seconds(), rate, shown, short(l.took[shown].percentile(50)), short(l.took[shown].percentile(99)), l.unanswered())
	}
}

// report writes the result: for each class, how many answers, how long they took, and what they
// said.
func (l *load) report(w io.Writer, took time.Duration) {
	fmt.Fprintf(w, "%d answers in %v: %.0f requests/s\n\n", l.answered(), took.Round(10*time.Millisecond), float64(l.answered())/took.Seconds())
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "tokens\tanswers\trequests/s\tp50\tp90\tp99\tp99.9\tstatus: answers\t")
	for k := range classes {
		h := &l.took[k]
		n := h.count.Load()
		if n == 0 && l.statuses[k][0].Load() == 0 {
			continue
		}
		fmt.Fprintf(table, "%s\t%d\t%.0f\t%s\t%s\t%s\t%s\t%s\t\n", k, n, float64(n)/took.Seconds(),
			short(h.percentile(50)), short(h.percentile(90)), short(h.percentile(99)), short(h.percentile(99.9)), l.statusesOf(k))
	}
	_ = table.Flush()
	if n := l.unanswered(); n > 0 {
		fmt.Fprintf(w, "\n%d requests were not answered, the last because: %v\n", n, l.lastError())
	}
}

func (l *load) statusesOf(k class) string {
	var parts []string
	for status := range l.statuses[k] {
		n := l.statuses[k][status].Load()
		switch {
		case n == 0:
		case status == 0:
			parts = append(parts, fmt.Sprintf("none: %d", n))
		default:
			parts = append(parts, fmt.Sprintf("%d: %d", status, n))
		}
	}
	return strings.Join(parts, ", ")
}

// short writes a duration with three digits or so.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	default:
		return d.Round(time.Microsecond).String()
	}
}
