// Package security_test holds the tests of the security requirements that need more than one
// package: tokens through guard, verbs, cache, database and Redis at once. Those of one package are
// there; docs/security.md has the list.
package security_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(servers.Main(m)) }
