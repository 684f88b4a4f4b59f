package cache_test

import (
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// brisk is the lease for tests that change a lot.
const brisk = 40 * time.Millisecond

func TestConformance(t *testing.T) {
	t.Run("in the process alone", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store {
			return open(t, cache.Options{Lease: brisk}, store.NewMemory(), nil)
		})
	})
	t.Run("with Redis", func(t *testing.T) {
		server := servers.Redis(t)
		storetest.Run(t, func(t *testing.T) store.Store {
			rdb, _ := client(t, server.Addr())
			return open(t, cache.Options{Lease: brisk}, store.NewMemory(), rdb)
		})
	})
}
