package cache_test

import (
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store/storetest"
)

func TestEveryNumberOfStatsIsAMetric(t *testing.T) {
	storetest.Measures(t, cache.Stats{Redis: true, Breaker: cache.BreakerClosed}, "Redis", "Faults")
}

func TestWithoutRedisNoMetricSpeaksOfIt(t *testing.T) {
	n := 0
	for m := range (cache.Stats{}).Metrics() {
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
