//go:build unix

package servers_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

func TestPostgres(t *testing.T) {
	t.Setenv("DATABASE_URL", "") // what is tested is what we start ourselves
	t.Run("gives each test an empty database of its own", func(t *testing.T) {
		s := servers.Postgres(t)
		a, b := connect(t, s.Database(t)), connect(t, s.Database(t))
		run(t, a, "CREATE TABLE x (n int)")
		run(t, b, "CREATE TABLE x (n int)") // there is none yet
	})

	t.Run("shares one server among the tests", func(t *testing.T) {
		a, b := servers.Postgres(t), servers.Postgres(t)
		if a.Addr() != b.Addr() {
			t.Errorf("servers at %s and %s", a.Addr(), b.Addr())
		}
	})

	t.Run("drops the database after the test, even under those who use it", func(t *testing.T) {
		s := servers.Postgres(t)
		var dsn string
		t.Run("the test", func(t *testing.T) {
			dsn = s.Database(t)
			c, err := pgx.Connect(t.Context(), dsn)
			if err != nil {
				t.Fatal(err)
			}
			_ = c // left open on purpose
		})
		c, err := pgx.Connect(t.Context(), dsn)
		if err == nil {
			c.Close(t.Context())
			t.Error("the database is still there")
		}
	})

	t.Run("is gone, process, port and folder, when the test is over", func(t *testing.T) {
		var addr, dir string
		var pid int
		t.Run("the test", func(t *testing.T) {
			s := servers.NewPostgres(t)
			addr, dir, pid = s.Addr(), s.Dir(), s.Pid()
			connect(t, s.Database(t))
			s.Pause()
		})
		wantGone(t, pid, addr, dir)
	})

	t.Run("breaks and comes back", func(t *testing.T) {
		s := servers.NewPostgres(t, "max_connections=20")
		dsn := s.Database(t)
		c := connect(t, dsn)
		run(t, c, "CREATE TABLE x (n int)")
		var limit string
		if err := c.QueryRow(t.Context(), "SHOW max_connections").Scan(&limit); err != nil || limit != "20" {
			t.Errorf("max_connections = %q, %v; want the setting of the test", limit, err)
		}

		s.Pause()
		answer := make(chan error, 1)
		go func() { _, err := c.Exec(context.Background(), "INSERT INTO x VALUES (1)"); answer <- err }()
		select {
		case err := <-answer:
			t.Fatalf("a paused server answered: %v", err)
		case <-time.After(200 * time.Millisecond):
		}
		s.Resume()
		if err := <-answer; err != nil {
			t.Fatalf("after Resume: %v", err)
		}

		s.Kill()
		wantRefused(t, s.Addr())
		s.Restart()
		wantRows(t, dsn, 1)
		run(t, connect(t, dsn), "INSERT INTO x VALUES (2)")
		s.Stop()
		wantRefused(t, s.Addr())
		s.Restart()
		wantRows(t, dsn, 2)
	})

	t.Run("is the one that DATABASE_URL names", func(t *testing.T) {
		own := servers.NewPostgres(t)
		t.Setenv("DATABASE_URL", own.Database(t))
		s := servers.Postgres(t)
		if s.Addr() != own.Addr() {
			t.Errorf("server at %s, want %s", s.Addr(), own.Addr())
		}
		var dsn string
		t.Run("a test", func(t *testing.T) {
			dsn = servers.Postgres(t).Database(t)
			connect(t, dsn)
		})
		if _, err := pgx.Connect(t.Context(), dsn); err == nil {
			t.Error("the database was not dropped from the server that is not ours")
		}
		skipped := false
		t.Run("breaking it skips the test", func(t *testing.T) {
			defer func() { skipped = t.Skipped() }()
			servers.Postgres(t).Kill()
		})
		if !skipped {
			t.Error("Kill of a server that is not ours did not skip the test")
		}
		connect(t, own.Database(t))
	})

	t.Run("a DATABASE_URL of another kind does not matter", func(t *testing.T) {
		t.Setenv("DATABASE_URL", "sqlite:x.db")
		connect(t, servers.Postgres(t).Database(t))
	})

	t.Run("needs a password", func(t *testing.T) {
		u, err := url.Parse(servers.Postgres(t).Database(t))
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword(u.User.Username(), "wrong")
		if c, err := pgx.Connect(t.Context(), u.String()); err == nil {
			c.Close(t.Context())
			t.Error("a wrong password was let in")
		}
	})
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		c.Close(ctx)
	})
	return c
}

func run(t *testing.T, c *pgx.Conn, sql string) {
	t.Helper()
	if _, err := c.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func wantRows(t *testing.T, dsn string, want int) {
	t.Helper()
	var got int
	if err := connect(t, dsn).QueryRow(t.Context(), "SELECT count(*) FROM x").Scan(&got); err != nil || got != want {
		t.Fatalf("%d rows, %v; want %d", got, err, want)
	}
}
