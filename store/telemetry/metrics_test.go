package telemetry_test

import (
	"testing"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest"
	"github.com/latchkey-go/latchkey/store/telemetry"
)

func TestEveryNumberOfStatsIsAMetric(t *testing.T) {
	storetest.Measures(t, telemetry.MetricsOf, store.Stats{})
}
