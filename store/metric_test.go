package store_test

import (
	"testing"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest"
)

func TestEveryNumberOfStatsIsAMetric(t *testing.T) { storetest.Measures(t, store.Stats{}) }
