//go:build unix

package servers_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

func TestPgBouncer(t *testing.T) {
	t.Setenv("DATABASE_URL", "") // what is tested is what we start ourselves
	t.Run("leads to the databases of a server, in transaction mode", func(t *testing.T) {
		pg := servers.Postgres(t)
		b := servers.NewPgBouncer(t, pg, "default_pool_size=1")
		dsn := b.DSN(pg.Database(t)) + "&default_query_exec_mode=exec"
		one, two := connect(t, dsn), connect(t, dsn)
		pid := func(c *pgx.Conn) (n int) {
			t.Helper()
			if err := c.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if a, b := pid(one), pid(two); a != b {
			t.Errorf("two clients have connections %d and %d of the server, want the same", a, b)
		}
	})

	t.Run("does not let in whom the server does not know", func(t *testing.T) {
		pg := servers.Postgres(t)
		dsn := servers.NewPgBouncer(t, pg).DSN(pg.Database(t))
		if c, err := pgx.Connect(t.Context(), strings.Replace(dsn, "latchkey:", "latchkey:x", 1)); err == nil {
			c.Close(t.Context())
			t.Error("a wrong password was let in")
		}
	})

	t.Run("comes back after a crash", func(t *testing.T) {
		pg := servers.Postgres(t)
		b := servers.NewPgBouncer(t, pg)
		dsn := b.DSN(pg.Database(t)) + "&default_query_exec_mode=exec"
		c := connect(t, dsn)
		b.Restart()
		if _, err := c.Exec(t.Context(), "SELECT 1"); err == nil {
			t.Error("a connection outlived it")
		}
		run(t, connect(t, dsn), "SELECT 1")
	})

	t.Run("is gone, process, port and folder, when the test is over", func(t *testing.T) {
		var addr, dir string
		var pid int
		t.Run("the test", func(t *testing.T) {
			pg := servers.Postgres(t)
			b := servers.NewPgBouncer(t, pg)
			addr, dir, pid = b.Addr(), b.Dir(), b.Pid()
			connect(t, b.DSN(pg.Database(t)))
		})
		wantGone(t, pid, addr, dir)
	})
}
