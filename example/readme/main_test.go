package main

import (
	"bufio"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(servers.Main(m)) }

func TestEachGoBlockOfTheReadmeIsInAFileThatCompiles(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var compiled []string
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		compiled = append(compiled, string(text))
	}
	blocks := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) == 0 {
		t.Fatal("the README has no Go block")
	}
next:
	for _, block := range blocks {
		for _, text := range compiled {
			if hasLines(text, block[1]) {
				continue next
			}
		}
		t.Errorf("the lines of this block are not in a file here, in this order:\n%s", block[1])
	}
}

// hasLines reports whether a file has all lines of a block, in their order.
func hasLines(file, block string) bool {
	rest := strings.Split(file, "\n")
	for line := range strings.Lines(block) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		i := slices.IndexFunc(rest, func(s string) bool { return strings.TrimSpace(s) == line })
		if i < 0 {
			return false
		}
		rest = rest[i+1:]
	}
	return true
}

// program is the program of the README, running.
type program struct {
	t    *testing.T
	cmd  *exec.Cmd
	addr string
	said *strings.Builder // what it printed; complete once it has exited
}

func build(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "readme")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

func launch(t *testing.T, path, database, adminKey string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(path), addr: servers.FreeAddress(t), said: &strings.Builder{}}
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	p.cmd.Env = append(os.Environ(), "ADDR="+p.addr, "ADMIN_KEY="+adminKey,
		"DATABASE_URL="+database, "REDIS_ADDR="+servers.Redis(t).Addr())
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		if t.Failed() {
			t.Log(p.said.String())
		}
	})
	return p
}

// listens polls until the program accepts connections, or no longer does.
func (p *program) listens(want bool) {
	p.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", p.addr)
		if err == nil {
			conn.Close()
		}
		if (err == nil) == want {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the program listens: %t, want %t", !want, want)
		}
	}
}

func TestTheProgramOfTheReadmeWorks(t *testing.T) {
	database, key := servers.Postgres(t).Database(t), randomKey(t)
	db, err := sql.Open("pgx", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	p := launch(t, build(t), database, key)
	p.listens(true)
	base := "http://" + p.addr
	for _, c := range []struct {
		method, path, key string
		want              int
	}{
		{"GET", "/store/products", "", 401},
		{"POST", "/api/orders", "", 401},
		{"POST", "/api/orders", key, 201},
		{"GET", "/admin/api-keys", "", 401},
		{"GET", "/admin/api-keys", key, 200},
	} {
		if got, body := ask(t, c.method, base+c.path, c.key, nil); got != c.want {
			t.Errorf("%s %s: %d, want %d: %s", c.method, c.path, got, c.want, body)
		}
	}
	count := func(query string) (n int) {
		t.Helper()
		if err := db.QueryRow("SELECT count(*) FROM " + query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count("latchkey_member"); n != 1 {
		t.Fatalf("%d members while it runs, want 1", n)
	}

	// A request that is under way when the signal comes, with a key that was never used before.
	_, body := ask(t, "POST", base+"/admin/api-keys", key, strings.NewReader(`{"title":"late","type":"secret"}`))
	var late struct {
		Key struct{ ID, Token string } `json:"api_key"`
	}
	if err := json.Unmarshal([]byte(body), &late); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const last = `{"title":"last","type":"secret"}`
	fmt.Fprintf(conn, "POST /admin/api-keys HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n", late.Key.Token, len(last))
	answers := bufio.NewReader(conn)
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") { // the route asks for the body
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := answers.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.listens(false)
	if _, err := io.WriteString(conn, last); err != nil {
		t.Fatal(err)
	}
	if answer, err := answers.ReadString('\n'); err != nil || !strings.Contains(answer, " 200 ") {
		t.Errorf("the request that was under way: %q, %v", answer, err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v, want exit status 0", err)
	}
	if n := count("latchkey_member"); n != 0 {
		t.Errorf("%d members after the end, want 0: changes elsewhere wait for it", n)
	}
	if n := count("latchkey_key WHERE id = '" + late.Key.ID + "' AND last_used_at IS NOT NULL"); n != 1 {
		t.Error("the last use of a key was not written")
	}
	if n := count("latchkey_key WHERE title = 'last'"); n != 1 {
		t.Error("what the request under way made is not there")
	}
}

func TestRequirement37TheProgramOfTheReadmeNamesABadKey(t *testing.T) {
	path, database := build(t), servers.Postgres(t).Database(t)
	for name, c := range map[string]struct{ key, says string }{
		"unset":         {"", "ADMIN_KEY: store: there is no token to import"},
		"malformed":     {"sk_hunter2hunter2", "ADMIN_KEY: store: the token to import is malformed"},
		"a placeholder": {"sk_" + strings.Repeat("0", 64), "ADMIN_KEY: store: the token to import looks like a placeholder"},
	} {
		t.Run(name, func(t *testing.T) {
			p := launch(t, path, database, c.key)
			var status *exec.ExitError
			if err := p.cmd.Wait(); !errors.As(err, &status) || status.ExitCode() != 1 {
				t.Errorf("%v, want exit status 1", err)
			}
			said := p.said.String()
			if !strings.Contains(said, c.says) || !strings.Contains(said, "openssl rand -hex 32") {
				t.Errorf("said %q, want %q and how to make a key", said, c.says)
			}
			if c.key != "" && strings.Contains(said, c.key[3:]) {
				t.Errorf("the key is shown: %s", said)
			}
		})
	}
}

func randomKey(t *testing.T) string {
	t.Helper()
	var secret [32]byte
	if _, err := rand.Read(secret[:]); err != nil {
		t.Fatal(err)
	}
	return "sk_" + hex.EncodeToString(secret[:])
}

func ask(t *testing.T, method, url, key string, body io.Reader) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return answer.StatusCode, string(text)
}
