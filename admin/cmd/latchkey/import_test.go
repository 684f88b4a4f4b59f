package main

import (
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

const medusaToken = "pk_6c1f0a9be8d7c6b5a4f3e2d1c0b9a8f7e6d5c4b3a2f1e0d9c8b7a6f5e4d3cbf7"

// medusaDatabase returns the address of a Medusa database with one key and one that cannot be
// taken.
func medusaDatabase(t *testing.T) string {
	t.Helper()
	address := servers.Postgres(t).Database(t)
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	schema, err := os.ReadFile("../../../store/medusa/testdata/medusa.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		string(schema),
		`INSERT INTO api_key (id, token, salt, redacted, title, type, created_by) VALUES
			('apk_1', '` + medusaToken + `', '', 'pk_6c1***bf7', 'shop', 'publishable', 'user_1'), ('apk_2', 'pk_short', '', '', 'broken', 'publishable', 'user_1')`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return address
}

func TestImport(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t, "MEDUSA_DATABASE_URL", medusaDatabase(t), "REDIS_URL", servers.Redis(t).URL(), "LATCHKEY_PEPPERS", pepper1)
	const broken = "  apk_2: its token does not have the form of a publishable key's\n"
	for _, step := range []struct {
		args []string
		want string
	}{
		{[]string{"-dry-run"}, "2 keys read: 1 would be imported, 0 exist already, 0 were deleted here, 1 cannot be imported\n" + broken},
		{[]string{"-batch", "1"}, "2 keys read: 1 imported, 0 exist already, 0 were deleted here, 1 cannot be imported\n" + broken},
		{nil, "2 keys read: 0 imported, 1 exist already, 0 were deleted here, 1 cannot be imported\n" + broken},
		{[]string{"-after", "apk_1"}, "1 keys read: 0 imported, 0 exist already, 0 were deleted here, 1 cannot be imported\n" + broken},
	} {
		r := sh.ok(append([]string{"import"}, step.args...)...).says("apk_2\n") // progress
		if r.stdout != step.want {
			t.Errorf("import %v printed %q, want %q", step.args, r.stdout, step.want)
		}
	}
	if v := read[importView](sh.ok("import", "-o", "json", "-dry-run")); !v.DryRun || v.Read != 2 || v.Imported != 0 || v.Known != 1 ||
		fmt.Sprint(v.Refused) != "[{apk_2 its token does not have the form of a publishable key's}]" || v.LastID != "apk_2" {
		t.Errorf("%+v", v)
	}
	if err := sh.instance(pepper1).authenticate(medusaToken); err != nil {
		t.Errorf("the imported key: %v", err)
	}
	if events := read[[]eventView](sh.ok("events", "-o", "json")); len(events) != 1 || events[0].Kind != "imported" || !strings.HasPrefix(events[0].Actor, "cli:") {
		t.Errorf("%+v", events)
	}
}

func TestImportFromADatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t)
	r := sh.run("import", "-from", "postgres://u:hunter2@"+closedPort(t)+"/medusa?sslmode=disable").exits(exitFailed).says("medusa: counting keys")
	if strings.Contains(r.stderr, "hunter2") || r.stdout != "" {
		t.Errorf("%s%s", r.stdout, r.stderr)
	}
}
