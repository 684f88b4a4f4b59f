package main

import (
	"bufio"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// mint returns a well-formed token that no store knows.
func mint(t *testing.T, typ store.Type) string {
	t.Helper()
	made, err := store.New(store.NewMemory()).Create(t.Context(), store.NewKey{Type: typ})
	if err != nil {
		t.Fatal(err)
	}
	return made.Token.Reveal()
}

func TestSecondStartShowsNoKeysAndTheFirstOnesWork(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	pk, sk := p.firstKeys()
	p.stop()
	p = start(t, dir)
	p.prepared()
	p.get("/store/products", publishableKey(pk)).expect(t, 200, `"count":3`)
	p.get("/admin/api-keys", secretKey(sk)).expect(t, 200, `"count":2`)
	p.stop()
	if p.stdout.String() != "" {
		t.Errorf("the second start printed\n%s", p.stdout)
	}
}

func TestTenStartsAtOnceMakeOnePairOfKeysMore(t *testing.T) {
	for _, db := range []struct {
		name    string
		address func(t *testing.T) string
	}{
		{"postgres", func(t *testing.T) string { return servers.Postgres(t).Database(t) }},
		{"sqlite", func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "one.db") }},
	} {
		t.Run(db.name, func(t *testing.T) {
			address := db.address(t)
			var all []*program
			for range 10 {
				all = append(all, launch(t, t.TempDir(), "DATABASE_URL="+address))
			}
			shown := ""
			for _, p := range all {
				p.prepared()
				p.stop()
				shown += p.stdout.String()
			}
			if n := strings.Count(shown, "export SK="); n != 1 {
				t.Fatalf("%d pairs of keys were shown, want 1", n)
			}
			p := start(t, t.TempDir(), "DATABASE_URL="+address)
			p.get("/admin/api-keys", secretKey(exports(shown)["SK"])).expect(t, 200, `"count":2`)
		})
	}
}

func TestBadConfigurationIsOneLineAndExitStatusOne(t *testing.T) {
	const secret = "geheim4711"
	for _, c := range []struct{ env, says string }{
		{"DATABASE_URL=mysql://u:" + secret + "@h/d", "DATABASE_URL"},
		{"DATABASE_URL=postgres://u:" + secret + "/x@h:1/d", "DATABASE_URL"},
		{"DATABASE_URL=postgres://u:" + secret + "@h:99999/d", "DATABASE_URL"},
		{"DATABASE_URL=postgres://u:" + secret + "@h/d?sslmode=" + secret, "DATABASE_URL"},
		{"DATABASE_URL=postgres://u:" + secret + "@h/d?sslrootcert=/nowhere", "/nowhere"},
		{"DATABASE_URL=sqlite:", "DATABASE_URL"},
		{"DATABASE_URL=sqlite::memory:", "DATABASE_URL"},
		{"REDIS_URL=http://u:" + secret + "@h", "REDIS_URL"},
		{"REDIS_URL=redis://u:%" + secret + "@h", "REDIS_URL"},
		{"REDIS_URL=redis://u:" + secret + "@h:70000", "REDIS_URL"},
		{"REDIS_URL=redis://u:" + secret + "@h/" + secret, "REDIS_URL"},
		{"REDIS_URL=redis://u:" + secret + "@h,,i", "REDIS_URL"},
		{"REDIS_URL=redis+sentinel://u:" + secret + "@h", "REDIS_URL"},
		{"REDIS_URL=redis://h?timeout=" + secret, "REDIS_URL"},
		{"LATCHKEY_PEPPERS=" + secret, "LATCHKEY_PEPPERS: pepper 1 of 1 is 10 bytes long"},
		{"LATCHKEY_PEPPERS=" + strings.Repeat("changeme"+secret, 3), "LATCHKEY_PEPPERS"},
		{"LATCHKEY_RESEAL=1", "LATCHKEY_RESEAL"},
		{"ADMIN_KEY=sk_" + secret, "ADMIN_KEY: is not a well-formed secret token"},
		{"ADMIN_KEY=sk_" + strings.Repeat("0", 64), "ADMIN_KEY: looks like a placeholder"},
		{"ADMIN_KEY=" + mint(t, store.Publishable), "ADMIN_KEY"},
		{"MEDUSA_COMPAT=yes", "MEDUSA_COMPAT"},
		{"STORE_CORS=*", "STORE_CORS"},
		{"MAX_FAILURES=0", "MAX_FAILURES"},
		{"MAX_FAILURES=many", "MAX_FAILURES"},
		{"ADMIN_CORS=https://shop.example/admin", "ADMIN_CORS: entry 1, \"https://shop.example/admin\", has a path"},
		{"ADMIN_CORS=https://u:" + secret + "@shop.example", "ADMIN_CORS: entry 1"},
		{"DRAIN_DELAY=5", "DRAIN_DELAY"},
		{"DRAIN_DELAY=-1s", "DRAIN_DELAY"},
		{"ADDR=127.0.0.1:http:1", "listen"},
	} {
		t.Run(c.env, func(t *testing.T) {
			p := launch(t, t.TempDir(), c.env)
			if status := p.exit(); status != 1 {
				t.Errorf("exit status %d, want 1", status)
			}
			said := p.stderr.String()
			last := said[strings.LastIndex(strings.TrimSuffix(said, "\n"), "\n")+1:]
			if !strings.HasPrefix(last, "storefront: ") || !strings.Contains(last, c.says) {
				t.Errorf("the last line is %q, want it to begin with storefront: and to hold %q", last, c.says)
			}
			if c.says != "listen" && last != said { // by then there is a log
				t.Errorf("more than one line:\n%s", said)
			}
			if strings.Contains(said, secret) || strings.Contains(said, "goroutine ") {
				t.Errorf("a secret or a stack is shown:\n%s", said)
			}
		})
	}
}

func TestNewerDatabaseIsRefusedAtTheStart(t *testing.T) {
	dir := t.TempDir()
	start(t, dir).stop()
	db, err := sql.Open("sqlite", filepath.Join(dir, "latchkey.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`UPDATE latchkey_version SET version = 1000, min_compatible = 1000`); err != nil {
		t.Fatal(err)
	}
	p := launch(t, dir)
	if status := p.exit(); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	if said := p.stderr.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, store.ErrSchemaTooNew.Error()) {
		t.Errorf("want one line that holds %q, got\n%s", store.ErrSchemaTooNew, said)
	}
}

func TestNewerDatabaseIsRefusedWhenItIsReachedLater(t *testing.T) {
	pg := servers.NewPostgres(t)
	address := pg.Database(t)
	start(t, t.TempDir(), "DATABASE_URL="+address).stop()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`UPDATE latchkey_version SET version = 1000, min_compatible = 1000`); err != nil {
		t.Fatal(err)
	}
	db.Close()
	pg.Stop()
	p := start(t, t.TempDir(), "DATABASE_URL="+address)
	pg.Restart()
	if status := p.exit(); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	if said := p.stderr.String(); !strings.Contains(said, "storefront: ") || !strings.Contains(said, store.ErrSchemaTooNew.Error()) {
		t.Errorf("want a line that holds %q, got\n%s", store.ErrSchemaTooNew, said)
	}
}

func TestDatabaseOutOfReachAtTheStartHeals(t *testing.T) {
	pg := servers.NewPostgres(t)
	address := pg.Database(t)
	pg.Stop()
	p := start(t, t.TempDir(), "DATABASE_URL="+address)
	for _, r := range []reply{
		p.get("/store/products", publishableKey(mint(t, store.Publishable))),
		p.get("/api/orders", secretKey(mint(t, store.Secret))),
		p.get("/admin/api-keys", secretKey(mint(t, store.Secret))),
	} {
		if r.expect(t, 503, `"type":"unavailable"`).header.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
	}
	p.get("/store/products").expect(t, 401)
	p.get("/store/products", publishableKey("pk_malformed")).expect(t, 401)
	p.get("/healthz").expect(t, 200)
	p.get("/readyz").expect(t, 503, `"database":"unavailable"`, `"prepared":false`)

	pg.Restart()
	pk, sk := p.firstKeys()
	p.get("/store/products", publishableKey(pk)).expect(t, 200, `"count":3`)
	p.get("/api/orders", secretKey(sk)).expect(t, 200)
	p.wait("ready: the feed has been read too", func() bool { return p.get("/readyz").status == 200 })
	p.get("/readyz").expect(t, 200, `"database":"ok"`, `"prepared":true`)

	pg.Stop()
	p.wait("503 while the database is away", func() bool { return p.get("/readyz").status == 503 })
	p.get("/api/orders", secretKey(sk)).expect(t, 503)
	pg.Restart()
	p.wait("200 when it is back", func() bool { return p.get("/api/orders", secretKey(sk)).status == 200 })
	p.stop()
}

func TestAdminKeyIsImportedOnceAndDoesNotComeBack(t *testing.T) {
	dir, key := t.TempDir(), mint(t, store.Secret)
	p := start(t, dir, "ADMIN_KEY="+key)
	p.firstKeys()
	if shown := exports(p.stdout.String()); shown["SK"] != "$ADMIN_KEY" {
		t.Errorf("SK is shown as %q, want $ADMIN_KEY", shown["SK"])
	}
	p.get("/admin/api-keys", secretKey(key)).expect(t, 200, `"count":2`)
	made := p.ask("POST", "/admin/api-keys", `{"title":"other","type":"secret"}`, secretKey(key)).expect(t, 200)
	other := fmt.Sprint(made.field(t, "api_key", "token"))

	p.stop()
	p = start(t, dir, "ADMIN_KEY="+key)
	p.prepared()
	list := p.get("/admin/api-keys?title=ADMIN_KEY", secretKey(other)).expect(t, 200, `"count":1`)
	id := list.field(t, "api_keys").([]any)[0].(map[string]any)["id"].(string)
	p.ask("POST", "/admin/api-keys/"+id+"/revoke", "", secretKey(other)).expect(t, 200)
	p.ask("DELETE", "/admin/api-keys/"+id, "", secretKey(other)).expect(t, 200)

	p.stop()
	p = start(t, dir, "ADMIN_KEY="+key)
	p.prepared()
	p.waitForLog(`level=WARN msg="ADMIN_KEY `)
	p.get("/admin/api-keys", secretKey(key)).expect(t, 401)
	if strings.Contains(p.stderr.String()+p.stdout.String(), key) {
		t.Error("ADMIN_KEY is shown")
	}
}

func TestRequirement04Peppers(t *testing.T) {
	const first, second = "LATCHKEY_PEPPERS=kV0Yw3mQy8cT1pZr5sXa7bNd9fHj2lGe", "kV0Yw3mQy8cT1pZr5sXa7bNd9fHj2lGf"
	dir := t.TempDir()
	p := start(t, dir)
	_, sk := p.firstKeys()
	p.stop()
	for _, step := range []struct {
		name string
		env  []string
		want int
		log  string
	}{
		{"keys from before are refused, and the log says what to do", []string{first}, 401, "LATCHKEY_RESEAL=adopt"},
		{"LATCHKEY_RESEAL=1 does not adopt them", []string{first, "LATCHKEY_RESEAL=1"}, 401, "refused=2"},
		{"LATCHKEY_RESEAL=adopt does", []string{first, "LATCHKEY_RESEAL=adopt"}, 200, "sealed=2"},
		{"once is enough", []string{first}, 200, ""},
		{"a new pepper in front of the old one changes nothing", []string{"LATCHKEY_PEPPERS=" + second + "," + strings.TrimPrefix(first, "LATCHKEY_PEPPERS=")}, 200, ""},
		{"LATCHKEY_RESEAL=1 moves keys to it", []string{"LATCHKEY_PEPPERS=" + second + "," + strings.TrimPrefix(first, "LATCHKEY_PEPPERS="), "LATCHKEY_RESEAL=1"}, 200, "sealed=2"},
		{"so that the old one can go", []string{"LATCHKEY_PEPPERS=" + second}, 200, ""},
	} {
		t.Run(step.name, func(t *testing.T) {
			p := start(t, dir, step.env...)
			p.prepared()
			p.get("/api/orders", secretKey(sk)).expect(t, step.want)
			p.waitForLog(step.log)
			p.stop()
		})
	}
}

func TestStopping(t *testing.T) {
	t.Run("writes when keys were last used", func(t *testing.T) {
		dir := t.TempDir()
		p := start(t, dir)
		pk, sk := p.firstKeys()
		p.get("/store/products", publishableKey(pk)).expect(t, http.StatusOK)
		p.stop()
		p = start(t, dir)
		for _, key := range p.get("/admin/api-keys?type=publishable", secretKey(sk)).expect(t, 200).field(t, "api_keys").([]any) {
			if key.(map[string]any)["last_used_at"] == nil {
				t.Error("last_used_at was not written")
			}
		}
	})
	t.Run("lets an open request end", func(t *testing.T) {
		p := start(t, t.TempDir())
		_, sk := p.firstKeys()
		order := `{"product_id":"prod_mug"}`
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		answers := bufio.NewReader(conn)
		fmt.Fprintf(conn, "POST /api/orders HTTP/1.1\r\nHost: shop\r\nX-Api-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", sk, len(order))
		if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100") { // the handler is reading
			t.Fatalf("%q, %v", line, err)
		}
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		p.waitForLog("msg=stopping")
		fmt.Fprint(conn, order)
		_, _ = answers.ReadString('\n') // the empty line after 100
		if line, err := answers.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 201 ") {
			t.Errorf("the open request was answered %q, %v", line, err)
		}
		if status := p.exit(); status != 0 {
			t.Errorf("exit status %d", status)
		}
	})
}
