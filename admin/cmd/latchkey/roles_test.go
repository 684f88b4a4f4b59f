package main

import (
	"net/url"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// TestMigrateAndTheRolesAfterIt migrates with a role of its own. Then the roles of
// docs/operations.md work.
func TestMigrateAndTheRolesAfterIt(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sql\n(.*?)\n```").FindAllStringSubmatch(string(page), -1)
	admin := servers.NewPostgres(t).Database(t)
	database := admin[strings.LastIndex(admin, "/")+1 : strings.Index(admin, "?")]
	psql := func(dsn, statements string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--dbname="+dsn,
			"--command="+strings.ReplaceAll(statements, "DATABASE shop ", "DATABASE "+database+" "))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s in\n%s", err, out, statements)
		}
	}
	as := func(role, password string) string {
		u, err := url.Parse(admin)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword(role, password)
		return u.String()
	}
	psql(admin, "REVOKE ALL ON DATABASE shop FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC")
	psql(admin, blocks[0][1])
	owner, runner, reader := as("latchkey_owner", "change-me-1"), as("latchkey_run", "change-me-2"), as("latchkey_read", "change-me-3")
	sh := newShell(t, "DATABASE_URL", runner, "LATCHKEY_PEPPERS", pepper1)

	sh.step("a role that may not says which right is missing, and no password", func(t *testing.T) {
		for _, args := range [][]string{{"migrate"}, {"list"}} {
			r := sh.run(args...).exits(exitFailed).says("no access", "latchkey_run", database,
				"GRANT USAGE, CREATE ON SCHEMA public TO latchkey_run;")
			if strings.Contains(r.stderr, "change-me") || strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("want one line and no password:\n%s", r.stderr)
			}
		}
	})
	sh.step("-check changes nothing, and fails while there is something to do", func(t *testing.T) {
		for range 2 {
			sh.run("migrate", "-check", "-database", owner).exits(exitFailed).says("latchkey migrate").
				prints("no tables: would be migrated to version 2\n")
		}
	})
	sh.step("the owner migrates, and says what was done", func(t *testing.T) {
		sh.ok("migrate", "-database", owner).prints("no tables: migrated to version 2\n")
		sh.ok("migrate", "-database", owner).prints("schema version 2: up to date, nothing to do\n")
		sh.ok("migrate", "-check", "-database", owner).prints("schema version 2: up to date, nothing to do\n")
		if v := read[migrationView](sh.ok("migrate", "-o", "json", "-database", owner)); !reflect.DeepEqual(v, migrationView{From: 2, To: 2, Indexes: []string{}}) {
			t.Errorf("%+v", v)
		}
	})
	sh.step("an index that somebody has dropped is named, and made again", func(t *testing.T) {
		psql(owner, "DROP INDEX latchkey_key_description, latchkey_event_key")
		sh.run("migrate", "-check", "-database", owner).exits(exitFailed).
			prints("schema version 2: index latchkey_event_key would be created, index latchkey_key_description would be created\n")
		v := read[migrationView](sh.ok("migrate", "-o", "json", "-database", owner))
		if want := []string{"latchkey_event_key", "latchkey_key_description"}; !slices.Equal(v.Indexes, want) {
			t.Errorf("it made %q, want %q", v.Indexes, want)
		}
		sh.ok("migrate", "-check", "-database", owner).prints("schema version 2: up to date, nothing to do\n")
	})
	psql(owner, blocks[1][1])
	psql(admin, blocks[2][1])
	sh.step("every command works with the runner", func(t *testing.T) {
		sh.ok("migrate", "-check")
		made := sh.secret("ERP")
		rolled := read[keyView](sh.ok("roll", made.ID, "-o", "json"))
		sh.type_(rolled.Token+"\n", "verify").exits(exitOK)
		sh.ok("revoke", rolled.ID)
		sh.env["LATCHKEY_PEPPERS"] = pepper2 + "," + pepper1
		sh.ok("peppers", "rotate")
		sh.ok("list")
		sh.ok("events")
		sh.ok("prune", "-older-than", "365d")
	})
	sh.step("the reader lists and changes nothing", func(t *testing.T) {
		if keys := sh.list("-database", reader); len(keys) != 2 {
			t.Errorf("%+v", keys)
		}
		sh.ok("events", "-database", reader)
		sh.run("create", "-type", "secret", "-database", reader).exits(exitFailed).says("read-only", "role latchkey_read lacks ",
			"GRANT INSERT ON public.latchkey_key, public.latchkey_event, public.latchkey_member TO latchkey_read;")
	})
	sh.step("a wrong password and a missing database are named at once", func(t *testing.T) {
		sh.run("list", "-database", as("latchkey_run", "hunter2")).exits(exitFailed).says("no access", "28P01")
		sh.run("migrate", "-database", strings.Replace(owner, "/"+database, "/nowhere", 1)).exits(exitFailed).says("no access", `CREATE DATABASE "nowhere";`)
	})
}

func TestMigrateASQLiteFile(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t)
	sh.run("migrate", "-check").exits(exitUsage).says("no file")
	sh.ok("migrate").prints("no tables: migrated to version 2\n")
	sh.ok("migrate", "-check").prints("schema version 2: up to date, nothing to do\n")
}

func TestMigrateSaysWhatItDoes(t *testing.T) {
	for want, v := range map[string]migrationView{
		"schema version 2: up to date, nothing to do":                               {From: 2, To: 2},
		"no tables: would be migrated to version 2":                                 {Check: true, To: 2},
		"schema version 1: migrated to version 2, index a created, index b created": {From: 1, To: 2, Indexes: []string{"a", "b"}},
		"schema version 2: index a would be created":                                {Check: true, From: 2, To: 2, Indexes: []string{"a"}},
	} {
		if got := v.sentence(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
