package main

import (
	"database/sql"
	"net/url"
	"regexp"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/latchkey-go/latchkey/store/postgres"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// TestARoleThatMayOnlyReadAndWrite starts the program as docs/operations.md says, with the role
// that its statements make.
func TestARoleThatMayOnlyReadAndWrite(t *testing.T) {
	admin := servers.NewPostgres(t).Database(t)
	database := admin[strings.LastIndex(admin, "/")+1 : strings.Index(admin, "?")]
	as := func(role, password string) string {
		u, err := url.Parse(admin)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword(role, password)
		return u.String()
	}
	run := func(dsn string, statements ...string) {
		t.Helper()
		db, err := sql.Open("pgx", dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for _, s := range statements {
			if _, err := db.ExecContext(t.Context(), strings.ReplaceAll(s, "DATABASE shop ", "DATABASE "+database+" ")); err != nil {
				t.Fatalf("%v in\n%s", err, s)
			}
		}
	}
	blocks := regexp.MustCompile("(?s)```sql\n(.*?)\n```").FindAllStringSubmatch(docs(t, "operations.md"), -1)
	run(admin, `REVOKE ALL ON DATABASE shop FROM PUBLIC`, `REVOKE ALL ON SCHEMA public FROM PUBLIC`, blocks[0][1])
	owner, runner := as("latchkey_owner", "change-me-1"), as("latchkey_run", "change-me-2")

	ends := func(says ...string) {
		t.Helper()
		p := launch(t, t.TempDir(), "DATABASE_URL="+runner)
		if status := p.exit(); status != 1 {
			t.Errorf("exit status %d, want 1", status)
		}
		lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
		for _, part := range append(says, "storefront: ", "no access") {
			if last := lines[len(lines)-1]; !strings.Contains(last, part) || strings.Contains(last, "change-me") {
				t.Errorf("want %q in %s", part, last)
			}
		}
	}
	ends("role latchkey_run may not create tables in schema public", "latchkey migrate")

	db, err := sql.Open("pgx", owner)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, _, _, err := (postgres.Options{}).Migrate(t.Context(), db, false); err != nil {
		t.Fatal(err)
	}
	ends("lacks SELECT on public.latchkey_version", "GRANT SELECT ON")
	run(owner, blocks[1][1])
	ends("shop: ", "psql -f example/storefront/schema.sql", "shop_channel")
	run(owner, schema)
	ends("shop: ", "grant the rights")
	run(owner, blocks[3][1])

	p := start(t, t.TempDir(), "DATABASE_URL="+runner)
	pk, sk := p.firstKeys()
	p.get("/store/products", publishableKey(pk)).expect(t, 200, `"count":3`)
	p.ask("POST", "/api/orders", `{"product_id":"prod_mug"}`, secretKey(sk)).expect(t, 201)
	p.ask("POST", "/admin/sales-channels", `{"name":"Market"}`, secretKey(sk)).expect(t, 200)
	p.ask("POST", "/admin/api-keys", `{"title":"ERP","type":"secret"}`, secretKey(sk)).expect(t, 200)
	p.ask("POST", "/store/carts", `{"region_id":"reg_eu"}`, publishableKey(pk)).expect(t, 200)
	p.wait("ready", func() bool { return p.get("/readyz").status == 200 })
	p.get("/readyz").expect(t, 200, `"status":"ready"`, `"database":"ok"`)

	run(owner, `REVOKE UPDATE ON latchkey_feed FROM latchkey_run`)
	p.get("/readyz").expect(t, 200, `"status":"degraded"`, `"database":"read-only"`)
	p.get("/readyz").expect(t, 200)
	p.get("/store/products", publishableKey(pk)).expect(t, 200)
	p.ask("POST", "/admin/api-keys", `{"title":"ERP","type":"secret"}`, secretKey(sk)).expect(t, 503)
	p.waitForLog("permission denied for table latchkey_feed")
	if n := strings.Count(p.stderr.String(), `msg="keys cannot be changed" reason="`); n != 1 {
		t.Errorf("the log has the reason %d times", n)
	}
	other := start(t, t.TempDir(), "DATABASE_URL="+runner)
	other.waitForLog("GRANT UPDATE ON public.latchkey_feed TO latchkey_run;")
	other.get("/readyz").expect(t, 503, `"status":"starting"`)
	run(owner, `GRANT UPDATE ON latchkey_feed TO latchkey_run`)
	other.prepared()
	p.get("/readyz").expect(t, 200, `"status":"ready"`)
	run(owner, `REVOKE SELECT ON latchkey_key FROM latchkey_run`)
	p.get("/readyz").expect(t, 503, `"status":"unavailable"`, `"database":"unavailable"`)
	p.waitForLog("GRANT SELECT ON public.latchkey_key TO latchkey_run;")
	run(owner, `GRANT SELECT ON latchkey_key TO latchkey_run`)
	other.stop()
	p.stop()
}
