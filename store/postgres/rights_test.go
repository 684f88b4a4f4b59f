package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
	"github.com/latchkey-go/latchkey/store/internal/sqldb/sqldbtest"
	"github.com/latchkey-go/latchkey/store/postgres"
	"github.com/latchkey-go/latchkey/store/storetest"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// realm is a server whose roles are those of docs/operations.md.
type realm struct {
	server *servers.PostgresServer
	blocks []string // of SQL: the roles, what the runner may do, what the reader may do, the storefront's
}

var createRole = regexp.MustCompile(`(?m)^CREATE ROLE .*$`)

func newRealm(t *testing.T) *realm {
	t.Helper()
	r := &realm{server: servers.NewPostgres(t), blocks: sqldbtest.SQLBlocks(t, "../../docs/operations.md", "### Rights")}
	if len(r.blocks) != 4 {
		t.Fatalf("docs/operations.md has %d SQL blocks about rights, want 4", len(r.blocks))
	}
	if _, err := pool(t, r.server.Database(t)).Exec(strings.Join(createRole.FindAllString(strings.Join(r.blocks, "\n"), -1), "\n")); err != nil {
		t.Fatal(err)
	}
	return r
}

// place is a database of a realm, in which PUBLIC may do nothing.
type place struct {
	realm *realm
	name  string
	admin string // DSN
	db    *sql.DB
}

// database makes one, with the documented roles and without tables.
func (r *realm) database(t *testing.T) *place {
	t.Helper()
	p := &place{realm: r, admin: r.server.Database(t)}
	p.db = pool(t, p.admin)
	if err := p.db.QueryRow(`SELECT current_database()`).Scan(&p.name); err != nil {
		t.Fatal(err)
	}
	p.run(t, `REVOKE ALL ON DATABASE shop FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC`)
	p.run(t, r.blocks[0])
	return p
}

// run executes statements as the administrator, but for those that make roles: these are the
// server's, and there already.
func (p *place) run(t *testing.T, statements string) {
	t.Helper()
	statements = strings.ReplaceAll(statements, "DATABASE shop ", "DATABASE "+p.name+" ")
	statements = createRole.ReplaceAllString(statements, "")
	if _, err := p.db.Exec(statements); err != nil {
		t.Fatalf("%v in\n%s", err, statements)
	}
}

// as returns the DSN of a role, whose password is in docs/operations.md.
func (p *place) as(t *testing.T, role string) string {
	t.Helper()
	found := regexp.MustCompile(`ROLE ` + role + ` LOGIN PASSWORD '([^']+)'`).FindStringSubmatch(strings.Join(p.realm.blocks, "\n"))
	if found == nil {
		t.Fatalf("docs/operations.md makes no role %s", role)
	}
	return p.login(t, role, found[1])
}

func (p *place) login(t *testing.T, role, password string) string {
	t.Helper()
	u, err := url.Parse(p.admin)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, password)
	return u.String()
}

// migrated makes the tables as their owner, and lets the runner and the reader work with them.
func (p *place) migrated(t *testing.T) *place {
	t.Helper()
	from, to, _, err := quiet.Migrate(t.Context(), pool(t, p.as(t, "latchkey_owner")), false)
	if err != nil || from != 0 || to == 0 {
		t.Fatalf("migrated from %d to %d: %v", from, to, err)
	}
	p.run(t, p.realm.blocks[1])
	p.run(t, p.realm.blocks[2])
	return p
}

// tryOpen opens the store that a URL names, as programs do, and closes it at the end of the test.
func tryOpen(t *testing.T, dsn string) (dburl.Store, error) {
	t.Helper()
	d, err := dburl.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	db, err := d.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s, err := d.Open(db, quiet.Logger)
	if err == nil {
		t.Cleanup(func() { s.Close(context.Background()) })
	}
	return s, err
}

func insert(t *testing.T, s store.Store, n int) error {
	_, err := s.Change(t.Context(), store.Actor{}, func(tx store.Tx) error {
		return tx.Insert(t.Context(), sqldbtest.Record(n), sqldbtest.Event(store.Created))
	})
	return err
}

func TestARoleWithTheDocumentedRights(t *testing.T) {
	r := newRealm(t)
	t.Run("does everything that a store must", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store {
			return open(t, pool(t, r.database(t).migrated(t).as(t, "latchkey_run")), quiet)
		})
	})
	t.Run("cannot make, change or empty tables, nor rewrite the log", func(t *testing.T) {
		db := pool(t, r.database(t).migrated(t).as(t, "latchkey_run"))
		for _, statement := range []string{
			`CREATE TABLE x (n int)`, `CREATE SCHEMA x`, `ALTER TABLE latchkey_key ADD COLUMN x int`, `DROP TABLE latchkey_member`,
			`TRUNCATE latchkey_member`, `UPDATE latchkey_event SET actor = 'x'`, `UPDATE latchkey_version SET version = 0`,
			`INSERT INTO latchkey_feed VALUES (2, '', 0, 0)`, `DELETE FROM latchkey_feed`,
		} {
			if _, err := db.Exec(statement); state(err) != "42501" {
				t.Errorf("%s: %v", statement, err)
			}
		}
	})
}

func state(err error) string {
	var e interface{ SQLState() string }
	if errors.As(err, &e) {
		return e.SQLState()
	}
	return ""
}

// TestEachRightThatIsMissingIsNamed takes each of the documented rights away. The statement in the
// error then has to give it back.
func TestEachRightThatIsMissingIsNamed(t *testing.T) {
	p := newRealm(t).database(t).migrated(t)
	dsn := p.as(t, "latchkey_run")
	statement := regexp.MustCompile(`GRANT [^;]+;`)
	tries := map[string]func(s dburl.Store) error{
		"read":  func(dburl.Store) error { return nil },
		"write": func(s dburl.Store) error { return s.Ready(t.Context()) },
		"prune": func(s dburl.Store) error {
			_, err := s.PruneEvents(t.Context(), time.Now())
			return err
		},
	}
	for _, c := range []struct{ right, object, missingFor string }{
		{"USAGE", "SCHEMA public", "read"},
		{"SELECT", "latchkey_version", "read"},
		{"SELECT", "latchkey_key", "read"},
		{"SELECT", "latchkey_event", "read"},
		{"SELECT", "latchkey_feed", "read"},
		{"SELECT", "latchkey_member", "write"},
		{"INSERT", "latchkey_key", "write"},
		{"UPDATE", "latchkey_key", "write"},
		{"DELETE", "latchkey_key", "write"},
		{"INSERT", "latchkey_member", "write"},
		{"UPDATE", "latchkey_member", "write"},
		{"DELETE", "latchkey_member", "write"},
		{"INSERT", "latchkey_event", "write"},
		{"UPDATE", "latchkey_feed", "write"},
		{"DELETE", "latchkey_event", "prune"},
	} {
		t.Run(c.right+" on "+c.object, func(t *testing.T) {
			running, err := tryOpen(t, dsn)
			if err != nil {
				t.Fatal(err)
			}
			p.run(t, "REVOKE "+c.right+" ON "+c.object+" FROM latchkey_run")
			s, err := tryOpen(t, dsn)
			if c.missingFor == "read" {
				if !errors.Is(err, store.ErrNoAccess) {
					t.Fatalf("Open: %v", err)
				}
				if ready := running.Ready(t.Context()); !errors.Is(ready, store.ErrUnavailable) || errors.Is(ready, store.ErrReadOnly) ||
					!strings.Contains(ready.Error(), statement.FindString(err.Error())) {
					t.Errorf("Ready of an instance that runs: %v", ready)
				}
			} else {
				if err != nil {
					t.Fatalf("Open: %v", err)
				}
				err = tries[c.missingFor](s)
				if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrReadOnly) != (c.missingFor == "write") {
					t.Fatalf("%v", err)
				}
			}
			for _, part := range []string{c.right, strings.TrimPrefix(strings.ToLower(c.object), "schema "), "role latchkey_run", "database " + p.name} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not name %s: %v", part, err)
				}
			}
			for _, grant := range statement.FindAllString(err.Error(), -1) {
				if _, err := p.db.Exec(grant); err != nil {
					t.Errorf("%s: %v", grant, err)
				}
			}
			if s, err = tryOpen(t, dsn); err != nil {
				t.Fatalf("the statement did not help: %v", err)
			}
			if err := errors.Join(tries["write"](s), tries["prune"](s)); err != nil {
				t.Errorf("the statement did not help: %v", err)
			}
		})
	}
}

func TestWhatWaitingCannotHealIsAnErrorOfOpen(t *testing.T) {
	r := newRealm(t)
	empty, made := r.database(t), r.database(t).migrated(t)
	otherDatabase := regexp.MustCompile(`/latchkey_\w+\?`)
	for _, c := range []struct {
		name, dsn string
		before    string   // run as an administrator
		want      []string // in the error
		help      string   // a statement that has to be in the error, and that heals; "": none does
		after     string
	}{
		{name: "a wrong password", dsn: made.login(t, "latchkey_run", "wrong-password"),
			want: []string{"28P01", "latchkey_run", `ALTER ROLE "latchkey_run" PASSWORD '…';`}},
		{name: "a role that does not exist", dsn: made.login(t, "nobody", "wrong-password"), want: []string{"28P01", "nobody", "no such role"}},
		{name: "a role that may not log in", dsn: made.as(t, "latchkey_run"), before: `ALTER ROLE latchkey_run NOLOGIN`,
			want: []string{"28000", "latchkey_run", "not permitted to log in"}, help: `ALTER ROLE "latchkey_run" LOGIN`},
		{name: "a database that does not exist", dsn: otherDatabase.ReplaceAllString(made.as(t, "latchkey_run"), "/latchkey_nowhere?"),
			want: []string{"3D000", `database "latchkey_nowhere" does not exist`}, help: `CREATE DATABASE "latchkey_nowhere";`,
			after: `GRANT USAGE, CREATE ON SCHEMA public TO PUBLIC`},
		{name: "no right to connect", dsn: made.as(t, "latchkey_run"), before: `REVOKE CONNECT ON DATABASE shop FROM latchkey_run`,
			want: []string{"42501"}, help: `GRANT CONNECT ON DATABASE "` + made.name + `" TO "latchkey_run";`},
		{name: "a setting that the server does not know", dsn: made.as(t, "latchkey_run") + "&work_men=1", want: []string{"42704", "work_men", "setting"}},
		{name: "a setting whose value is wrong", dsn: made.as(t, "latchkey_run") + "&work_mem=much", want: []string{"22023", "work_mem", "setting"}},
		{name: "no right to make tables", dsn: empty.as(t, "latchkey_run"),
			want: []string{"role latchkey_run may not create tables in schema public of database " + empty.name, "latchkey migrate", "42501"},
			help: `GRANT USAGE, CREATE ON SCHEMA public TO latchkey_run;`},
		{name: "no schema that the role may use", dsn: r.database(t).as(t, "latchkey_run"), before: `REVOKE ALL ON SCHEMA public FROM latchkey_run`,
			want: []string{"role latchkey_run may not create tables in schema public"}, help: `GRANT USAGE, CREATE ON SCHEMA public TO latchkey_run;`},
		{name: "no schema at all", dsn: empty.as(t, "latchkey_run") + "&search_path=nowhere",
			want: []string{"no schema of the search_path (nowhere)", "CREATE SCHEMA latchkey_run AUTHORIZATION latchkey_run;", "3F000"}},
		{name: "a migration by another role than the owner", dsn: made.as(t, "latchkey_run"), before: `UPDATE latchkey_version SET version = 0`,
			want: []string{"they belong to role latchkey_owner", "latchkey migrate", "42501"}, after: `UPDATE latchkey_version SET version = 1`,
			help: `GRANT latchkey_owner TO latchkey_run;`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := made
			if strings.Contains(c.dsn, empty.name) {
				p = empty
			} else if !strings.Contains(c.dsn, made.name) && strings.HasPrefix(c.name, "no schema") {
				name := regexp.MustCompile(`/(latchkey_\w+)\?`).FindStringSubmatch(c.dsn)[1]
				p = &place{realm: r, name: name, admin: strings.Replace(made.admin, made.name, name, 1)}
				p.db = pool(t, p.admin)
			}
			if c.before != "" {
				p.run(t, c.before)
			}
			_, err := tryOpen(t, c.dsn)
			if !errors.Is(err, store.ErrNoAccess) || errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("Open: %v", err)
			}
			for _, part := range append(c.want, c.help) {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in: %v", part, err)
				}
			}
			for _, password := range []string{"wrong-password", "change-me"} {
				if strings.Contains(err.Error(), password) {
					t.Errorf("a password is in: %v", err)
				}
			}
			if c.help == "" {
				return
			}
			p.run(t, c.help)
			if c.after != "" {
				if strings.HasPrefix(c.help, "CREATE DATABASE") {
					p = &place{realm: r, name: "latchkey_nowhere", db: pool(t, otherDatabase.ReplaceAllString(p.admin, "/latchkey_nowhere?"))}
				}
				p.run(t, c.after)
			}
			if _, err := tryOpen(t, c.dsn); err != nil {
				t.Errorf("the statement did not help: %v", err)
			}
		})
	}
	t.Run("also when the database is reached later", func(t *testing.T) {
		server := servers.NewPostgres(t)
		dsn := otherDatabase.ReplaceAllString(server.Database(t), "/latchkey_nowhere?")
		server.Stop()
		s, err := tryOpen(t, dsn)
		if err != nil {
			t.Fatal(err)
		}
		server.Restart()
		sqldbtest.Eventually(t, "Err says why", func() bool { return errors.Is(s.Err(), store.ErrNoAccess) })
		if err := s.Ready(t.Context()); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "CREATE DATABASE") {
			t.Errorf("Ready: %v", err)
		}
	})
	t.Run("in a schema of the program's own", func(t *testing.T) {
		p := r.database(t)
		o := postgres.Options{Schema: "keys", Logger: quiet.Logger}
		_, err := o.Open(pool(t, p.as(t, "latchkey_owner")))
		const help = "CREATE SCHEMA keys AUTHORIZATION latchkey_owner;"
		if !errors.Is(err, store.ErrNoAccess) || !strings.Contains(err.Error(), help) {
			t.Fatalf("Open: %v", err)
		}
		p.run(t, help)
		open(t, pool(t, p.as(t, "latchkey_owner")), o)
		p.run(t, `REVOKE latchkey_owner FROM latchkey_run`) // see above
		_, err = o.Open(pool(t, p.as(t, "latchkey_run")))
		if !errors.Is(err, store.ErrNoAccess) || !strings.Contains(err.Error(), "GRANT USAGE ON SCHEMA keys TO latchkey_run;") ||
			!strings.Contains(err.Error(), "keys.latchkey_feed TO latchkey_run;") {
			t.Errorf("Open: %v", err)
		}
	})
}

func TestARoleThatOnlyReads(t *testing.T) {
	p := newRealm(t).database(t).migrated(t)
	if err := insert(t, open(t, pool(t, p.as(t, "latchkey_run")), quiet), 1); err != nil {
		t.Fatal(err)
	}
	s, err := tryOpen(t, p.as(t, "latchkey_read"))
	if err != nil {
		t.Fatal(err)
	}
	if found, err := s.Lookup(t.Context(), sqldbtest.LookupID(1), ""); err != nil || found.Record == nil {
		t.Errorf("Lookup: %v", err)
	}
	if events, err := s.Events(t.Context(), store.EventQuery{}); err != nil || len(events) != 1 {
		t.Errorf("Events: %v", err)
	}
	const help = "GRANT UPDATE ON public.latchkey_key, public.latchkey_feed, public.latchkey_member TO latchkey_read;"
	if err := s.Ready(t.Context()); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, store.ErrReadOnly) || !strings.Contains(err.Error(), help) {
		t.Errorf("Ready: %v", err)
	}
	err = insert(t, s, 2)
	if !errors.Is(err, store.ErrUnavailable) || state(err) != "42501" || !strings.Contains(err.Error(), "Ready names the right") || strings.Contains(err.Error(), "CONNECT") {
		t.Errorf("Change: %v", err)
	}
}

func TestADatabaseThatTakesNoChanges(t *testing.T) {
	r := newRealm(t)
	p := r.database(t).migrated(t)
	readOnly := func(t *testing.T, s dburl.Store, why string) {
		t.Helper()
		if err := s.Ready(t.Context()); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, store.ErrReadOnly) || !strings.Contains(err.Error(), why) {
			t.Errorf("Ready: %v", err)
		}
		if err := insert(t, s, 9); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, store.ErrReadOnly) || state(err) != "25006" {
			t.Errorf("Change: %v", err)
		}
		if _, err := s.Lookup(t.Context(), sqldbtest.LookupID(1), ""); err != nil {
			t.Errorf("Lookup: %v", err)
		}
	}
	t.Run("from this role", func(t *testing.T) {
		p.run(t, `ALTER ROLE latchkey_run SET default_transaction_read_only = on`)
		s, err := tryOpen(t, p.as(t, "latchkey_run"))
		if err != nil {
			t.Fatal(err)
		}
		const help = "ALTER ROLE latchkey_run SET default_transaction_read_only = off;"
		readOnly(t, s, help)
		p.run(t, help)
		if s, err = tryOpen(t, p.as(t, "latchkey_run")); err != nil || s.Ready(t.Context()) != nil {
			t.Errorf("the statement did not help: %v", err)
		}
	})
	t.Run("because it has become a replica, until it is promoted", func(t *testing.T) {
		s, err := tryOpen(t, p.as(t, "latchkey_run"))
		if err != nil {
			t.Fatal(err)
		}
		r.server.Stop()
		if err := os.WriteFile(filepath.Join(r.server.Dir(), "standby.signal"), nil, 0o666); err != nil {
			t.Fatal(err)
		}
		r.server.Restart()
		sqldbtest.Eventually(t, "the replica answers", func() bool {
			_, err := s.Feed(t.Context(), 0, 0)
			return err == nil
		})
		readOnly(t, s, "is a replica")
		if s2, err := tryOpen(t, p.as(t, "latchkey_run")); err != nil {
			t.Errorf("Open: %v", err)
		} else {
			readOnly(t, s2, "is a replica")
		}
		sqldbtest.Eventually(t, "promoted", func() bool {
			_, err := p.db.Exec(`SELECT pg_promote()`)
			return err == nil
		})
		sqldbtest.Eventually(t, "ready", func() bool { return s.Ready(t.Context()) == nil })
		if err := insert(t, s, 1); err != nil {
			t.Error(err)
		}
	})
}

func TestACrowdOfCallersOverFewConnections(t *testing.T) {
	p := newRealm(t).database(t).migrated(t)
	p.run(t, `ALTER ROLE latchkey_run CONNECTION LIMIT 3`)
	// crowd is 16 callers, each of which looks keys up and makes one. It returns what went wrong.
	round := 0
	crowd := func(t *testing.T, s store.Store) (errs []error) {
		round++
		results := make(chan error, 32)
		var all sync.WaitGroup
		for n := range 16 {
			all.Go(func() {
				_, err := s.Lookup(t.Context(), sqldbtest.LookupID(n), "")
				results <- err
				results <- insert(t, s, 100*round+n)
			})
		}
		all.Wait()
		close(results)
		for err := range results {
			if err != nil {
				errs = append(errs, err)
			}
			if err != nil && !errors.Is(err, store.ErrUnavailable) {
				t.Error(err)
			}
		}
		return errs
	}
	refused := func(err error) bool { return state(err) == "53300" }
	t.Run("a pool that is larger than the role's limit fails by name", func(t *testing.T) {
		s, err := tryOpen(t, p.as(t, "latchkey_run"))
		if err != nil {
			t.Fatal(err)
		}
		sqldbtest.Eventually(t, "more than three connections are wanted at once", func() bool {
			errs := crowd(t, s)
			n := slices.IndexFunc(errs, refused)
			if n >= 0 && !strings.Contains(errs[n].Error(), "pool_max_conns") {
				t.Error(errs[n])
			}
			return n >= 0
		})
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	for _, conns := range []int{3, 1} {
		t.Run(fmt.Sprintf("a pool of %d serves all", conns), func(t *testing.T) {
			p.run(t, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'latchkey_run'`)
			sqldbtest.Eventually(t, "the old pool is gone", func() bool {
				var n int
				err := p.db.QueryRow(`SELECT count(*) FROM pg_stat_activity WHERE usename = 'latchkey_run'`).Scan(&n)
				return err == nil && n == 0
			})
			s, err := tryOpen(t, fmt.Sprintf("%s&pool_max_conns=%d", p.as(t, "latchkey_run"), conns))
			if err != nil {
				t.Fatal(err)
			}
			sqldbtest.Eventually(t, "all are served, on a machine that has time", func() bool {
				errs := crowd(t, s)
				if n := slices.IndexFunc(errs, refused); n >= 0 {
					t.Error(errs[n])
				}
				return len(errs) == 0
			})
		})
	}
}
