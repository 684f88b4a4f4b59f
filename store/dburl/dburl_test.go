package dburl_test

import (
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(servers.Main(m)) }

func TestTheSizeOfThePool(t *testing.T) {
	const address = "postgres://u:hunter2@127.0.0.1:1/d?sslmode=disable"
	for _, c := range []struct {
		settings string
		want     int
	}{{"", dburl.DefaultConns}, {"&pool_max_conns=3", 3}, {"&pool_max_conns=1&application_name=x", 1}} {
		d, err := dburl.Parse(address + c.settings)
		if err != nil {
			t.Fatal(err)
		}
		db, err := d.Connect()
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if got := db.Stats().MaxOpenConnections; got != c.want {
			t.Errorf("with %q there are %d connections at most, want %d", c.settings, got, c.want)
		}
	}
	for _, c := range []struct{ settings, says string }{
		{"&pool_max_conns=0", "pool_max_conns must be a whole number, at least 1"},
		{"&pool_max_conns=-1", "pool_max_conns must be a whole number, at least 1"},
		{"&pool_max_conns=hunter2", "pool_max_conns must be a whole number, at least 1"},
		{"&pool_max_conns=", "pool_max_conns must be a whole number, at least 1"},
		{"&pool_min_conns=2", "pool_min_conns is not supported: of the pool's settings only pool_max_conns is"},
	} {
		if _, err := dburl.Parse(address + c.settings); err == nil || err.Error() != c.says {
			t.Errorf("%q: %v, want %s", c.settings, err, c.says)
		}
	}
	t.Run("is not sent to the server, which does not know the setting", func(t *testing.T) {
		d, err := dburl.Parse(servers.Postgres(t).Database(t) + "&pool_max_conns=2")
		if err != nil {
			t.Fatal(err)
		}
		db, err := d.Connect()
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.PingContext(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestSeveralHosts(t *testing.T) {
	const address = "postgres://u:hunter2@one.example:5432,two.example/d"
	for _, settings := range []string{"?target_session_attrs=read-write", "?sslmode=disable&target_session_attrs=primary"} {
		if d, err := dburl.Parse(address + settings); err != nil || !d.IsPostgres() {
			t.Errorf("%s: %v", settings, err)
		}
	}
	for _, settings := range []string{"", "?target_session_attrs=any", "?target_session_attrs=prefer-standby", "?target_session_attrs=standby",
		"?target_session_attrs=read-only"} {
		if _, err := dburl.Parse(address + settings); err == nil || !strings.Contains(err.Error(), "add target_session_attrs=read-write") {
			t.Errorf("%q: %v", settings, err)
		}
	}
	if _, err := dburl.Parse("postgres://u:hunter2@one.example:5432/d?sslmode=prefer"); err != nil {
		t.Errorf("one host, with TLS or without: %v", err)
	}
}

func TestEverythingBehindSQLiteIsThePath(t *testing.T) {
	name := filepath.Join(t.TempDir(), "keys.db?pool_max_conns=3")
	d, err := dburl.Parse("sqlite:" + name)
	if err != nil || d.File() != name || d.IsPostgres() {
		t.Fatalf("%q, %v", d.File(), err)
	}
	db, err := d.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	for _, want := range [][2]int{{0, 2}, {2, 2}} {
		if from, to, _, err := d.Migrate(t.Context(), db, log, false); err != nil || from != want[0] || to != want[1] {
			t.Errorf("migrated from %d to %d, want %v: %v", from, to, want, err)
		}
	}
}

func TestARefusalNamesRoleAndDatabase(t *testing.T) {
	address := strings.Replace(servers.Postgres(t).Database(t), "/latchkey_", "/nowhere_", 1)
	d, err := dburl.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	db, err := d.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := d.Open(db, nil); !errors.Is(err, store.ErrNoAccess) || !strings.Contains(err.Error(), `CREATE DATABASE "nowhere_`) {
		t.Errorf("Open: %v", err)
	}
}
