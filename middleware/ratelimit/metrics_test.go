package ratelimit_test

import (
	"testing"

	"github.com/latchkey-go/latchkey/middleware/ratelimit"
	"github.com/latchkey-go/latchkey/store/storetest"
)

func TestEveryNumberOfStatsIsAMetric(t *testing.T) { storetest.Measures(t, ratelimit.Stats{}, "Fault") }

func TestALimiterWithoutRedisHasNoMetrics(t *testing.T) {
	for m := range ratelimit.New(nil).Metrics() {
		t.Errorf("%s", m.Name)
	}
}
