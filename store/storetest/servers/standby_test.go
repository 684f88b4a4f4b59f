//go:build unix

package servers_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

func TestStandbyMore(t *testing.T) {
	t.Setenv("DATABASE_URL", "") // what is tested is what we start ourselves
	count := func(t *testing.T, c *pgx.Conn) (n int) {
		t.Helper()
		if err := c.QueryRow(t.Context(), "SELECT count(*) FROM a").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}

	t.Run("has what its primary has committed, and takes changes when it is promoted", func(t *testing.T) {
		primary := servers.NewPostgres(t)
		dsn := primary.Database(t)
		run(t, connect(t, dsn), "CREATE TABLE a (n int); INSERT INTO a VALUES (1)")
		standby := servers.NewStandby(t, primary, primary.Addr(), "wal_receiver_status_interval=1")
		there := connect(t, standby.On(dsn))
		if n := count(t, there); n != 1 {
			t.Errorf("the copy has %d rows, want 1", n)
		}
		run(t, connect(t, dsn), "SET synchronous_commit = remote_apply; INSERT INTO a VALUES (2)")
		if n := count(t, there); n != 2 {
			t.Errorf("%d rows, want 2", n)
		}
		if _, err := there.Exec(t.Context(), "INSERT INTO a VALUES (3)"); err == nil {
			t.Error("a standby took a change")
		}
		primary.Kill()
		standby.Promote()
		run(t, there, "INSERT INTO a VALUES (3)")
		standby.Restart()
		if n := count(t, connect(t, standby.On(dsn))); n != 3 {
			t.Errorf("%d rows, want 3", n)
		}
	})

	t.Run("has the commits of its primary wait while it cannot be reached", func(t *testing.T) {
		primary := servers.NewPostgres(t)
		dsn := primary.Database(t)
		run(t, connect(t, dsn), "CREATE TABLE a (n int)")
		between := servers.Proxy(t, primary.Addr())
		servers.NewStandby(t, primary, between.Addr(), "wal_retrieve_retry_interval=50ms")
		between.Cut()
		done := make(chan error, 1)
		go func() {
			c, err := pgx.Connect(t.Context(), dsn)
			if err == nil {
				_, err = c.Exec(t.Context(), "INSERT INTO a VALUES (1)")
				c.Close(t.Context())
			}
			done <- err
		}()
		select {
		case err := <-done:
			t.Errorf("a commit did not wait: %v", err)
		case <-time.After(300 * time.Millisecond):
		}
		between.Heal()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})

	t.Run("is gone, process, port and folder, when the test is over", func(t *testing.T) {
		var addr, dir string
		var pid int
		t.Run("the test", func(t *testing.T) {
			primary := servers.NewPostgres(t)
			s := servers.NewStandby(t, primary, primary.Addr())
			addr, dir, pid = s.Addr(), filepath.Dir(s.Dir()), s.Pid()
			s.Pause()
		})
		wantGone(t, pid, addr, dir)
	})
}
