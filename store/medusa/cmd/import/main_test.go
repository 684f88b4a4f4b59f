package main

import (
	"bytes"
	"context"
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(servers.Main(m)) }

const token = "pk_6c1f0a9be8d7c6b5a4f3e2d1c0b9a8f7e6d5c4b3a2f1e0d9c8b7a6f5e4d3cbf7"

func TestImportCommand(t *testing.T) {
	from := servers.Postgres(t).Database(t)
	db, err := sql.Open("pgx", from)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	schema, err := os.ReadFile("../../testdata/medusa.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		string(schema),
		`INSERT INTO api_key (id, token, salt, redacted, title, type, created_by) VALUES
			('apk_1', '` + token + `', '', 'pk_6c1***bf7', 'shop', 'publishable', 'user_1'), ('apk_2', 'pk_short', '', '', 'broken', 'publishable', 'user_1')`,
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	to := "sqlite:" + filepath.Join(t.TempDir(), "keys.db")
	rdb := servers.Redis(t).URL()
	env := func(name string) string {
		return map[string]string{"MEDUSA_DATABASE_URL": from, "DATABASE_URL": to, "LATCHKEY_PEPPERS": "Zq8vN3xT7mKp2RfW9sYbH4cJ6dLgA5uE"}[name]
	}
	for _, step := range []struct {
		args []string
		want string
	}{
		{[]string{"-dry-run"}, "2 keys read: 1 would be imported, 0 are there already, 0 were deleted there, 1 cannot be taken\n  apk_2: its token does not have the form of a publishable key's\n"},
		{[]string{"-redis", rdb, "-batch", "1"}, "2 keys read: 1 imported, 0 are there already, 0 were deleted there, 1 cannot be taken\n  apk_2: its token does not have the form of a publishable key's\n"},
		{nil, "2 keys read: 0 imported, 1 are there already, 0 were deleted there, 1 cannot be taken\n  apk_2: its token does not have the form of a publishable key's\n"},
		{[]string{"-after", "apk_1"}, "1 keys read: 0 imported, 0 are there already, 0 were deleted there, 1 cannot be taken\n  apk_2: its token does not have the form of a publishable key's\n"},
	} {
		var stdout, stderr bytes.Buffer
		if err := run(t.Context(), step.args, env, &stdout, &stderr); err != nil {
			t.Fatalf("%v: %v\n%s", step.args, err, stderr.String())
		}
		if stdout.String() != step.want {
			t.Errorf("%v printed %q, want %q", step.args, stdout.String(), step.want)
		}
		if !strings.Contains(stderr.String(), "apk_2") {
			t.Errorf("%v: no progress: %q", step.args, stderr.String())
		}
	}

	for _, peppers := range []string{"", "b7Qw2Ee9Rr4Tt6Yy1Uu8Ii3Oo5Pp0AaSs"} {
		other := func(name string) string {
			if name == "LATCHKEY_PEPPERS" {
				return peppers
			}
			return env(name)
		}
		var stdout, stderr bytes.Buffer
		if err := run(t.Context(), nil, other, &stdout, &stderr); err == nil || !strings.Contains(err.Error(), "sealed with a pepper") {
			t.Errorf("peppers %q, not those of the keys: %v", peppers, err)
		}
	}

	target, err := dburl.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := target.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	rows, err := target.Open(pool, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	sealer, _ := store.NewSealer([]string{env("LATCHKEY_PEPPERS")})
	keys, err := store.Options{Sealer: sealer}.New(rows)
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close(context.Background())
	if key, err := keys.Authenticate(t.Context(), token); err != nil || key.ID != "apk_1" {
		t.Errorf("%+v, %v", key, err)
	}
}

func TestImportCommandRefusesBadInput(t *testing.T) {
	good := "postgres://u:hunter2@127.0.0.1:1/medusa?connect_timeout=1"
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no source":          {[]string{"-to", "sqlite:x.db"}, "-from: must be"},
		"a source in a file": {[]string{"-from", "sqlite:x.db", "-to", "sqlite:y.db"}, "-from: Medusa's database is a PostgreSQL one"},
		"no target":          {[]string{"-from", good}, "-to: must be"},
		"a bad DSN":          {[]string{"-from", "postgres://u:hunter2@:bad:/x", "-to", "sqlite:x.db"}, "-from: cannot be parsed"},
		"a bad Redis":        {[]string{"-from", good, "-to", "sqlite:x.db", "-redis", "http://hunter2"}, "-redis: must begin"},
		"an argument":        {[]string{"-from", good, "-to", "sqlite:x.db", "extra"}, `"extra"`},
		"an unknown flag":    {[]string{"-frm", good}, "flag provided but not defined"},
		"no such server":     {[]string{"-from", good, "-to", "sqlite:" + filepath.Join(t.TempDir(), "x.db")}, "medusa: counting keys"},
		"a bad batch":        {[]string{"-from", good, "-to", "sqlite:" + filepath.Join(t.TempDir(), "x.db"), "-batch", "5000"}, "between 1 and 1000"},
	} {
		var stdout, stderr bytes.Buffer
		err := run(t.Context(), c.args, func(string) string { return "" }, &stdout, &stderr)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error()+stderr.String(), "hunter2") {
			t.Errorf("%s: %v, want …%s… and no password", name, err, c.want)
		}
	}
}
