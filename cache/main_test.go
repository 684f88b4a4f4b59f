package cache_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(servers.Main(m)) }
