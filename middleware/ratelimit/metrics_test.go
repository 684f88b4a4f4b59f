package ratelimit

import (
	"testing"

	"github.com/latchkey-go/latchkey/store/storetest"
)

func TestEveryNumberOfStatsIsAMetric(t *testing.T) {
	storetest.Measures(t, Stats.metrics, Stats{}, "Fault")
}

func TestALimiterWithoutRedisHasNoMetrics(t *testing.T) {
	for _, m := range New(nil).Metrics() {
		t.Errorf("%s", m.Name)
	}
}
