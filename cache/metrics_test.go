package cache

import (
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store/storetest"
)

func TestEveryNumberOfStatsIsAMetric(t *testing.T) {
	storetest.Measures(t, Stats.metrics, Stats{Redis: true, Breaker: BreakerClosed}, "Redis", "Faults")
}

func TestWithoutRedisNoMetricSpeaksOfIt(t *testing.T) {
	n := 0
	for _, m := range (Stats{}).metrics() {
		if m.Is == "redis" && m.Value == 0 {
			continue // the layer that has answered nothing
		}
		if strings.Contains(m.Name, "redis") || strings.Contains(m.Name, "breaker") {
			t.Errorf("%s", m.Name)
		}
		n++
	}
	if n < 10 {
		t.Errorf("only %d metrics", n)
	}
}
