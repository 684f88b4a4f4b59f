package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// The tests run the program as its users do: built, in a process of its own, with nothing in its
// environment but what a test gives it.

func TestMain(m *testing.M) { goleak.VerifyTestMain(builder{servers.Main(m)}) }

// builder builds the program before the tests run, and removes it after them.
type builder struct{ runner *servers.Runner }

func (b builder) Run() int {
	dir, err := os.MkdirTemp("", "latchkey")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	args := append(append([]string{"build"}, buildFlags()...), "-o", filepath.Join(dir, "latchkey"), ".")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	os.Setenv(binaryDir, dir)
	return b.runner.Run()
}

// binaryDir names the environment variable that tells the tests where the program is.
const binaryDir = "LATCHKEY_TEST_CLI"

const (
	pepper1 = "Zq8vN3xT7mKp2RfW9sYbH4cJ6dLgA5uE"
	pepper2 = "b7Qw2Ee9Rr4Tt6Yy1Uu8Ii3Oo5Pp0AaSs"
)

// shell runs the program, always in the same environment, and keeps what it has said.
type shell struct {
	t   *testing.T
	dir string
	env map[string]string

	mu   sync.Mutex
	said []result
}

// result is what a run of the program has said.
type result struct {
	t              *testing.T
	args           []string
	status         int
	stdout, stderr string
}

func newShell(t *testing.T, env ...string) *shell {
	t.Helper()
	sh := &shell{t: t, dir: t.TempDir(), env: map[string]string{
		"HOME": t.TempDir(), "PATH": os.Getenv("PATH"),
		"GORACE": "atexit_sleep_ms=0", // built with -race, a program that ends waits for a second
	}}
	for i := 0; i+1 < len(env); i += 2 {
		sh.env[env[i]] = env[i+1]
	}
	return sh
}

// onSQLite returns a shell whose database is a file of its own.
func onSQLite(t *testing.T, env ...string) *shell {
	t.Helper()
	return newShell(t, append([]string{"DATABASE_URL", "sqlite:" + filepath.Join(t.TempDir(), "keys.db")}, env...)...)
}

// step is a subtest in the same shell.
func (sh *shell) step(name string, do func(*testing.T)) {
	whole := sh.t
	defer func() { sh.t = whole }()
	whole.Run(name, func(t *testing.T) {
		sh.t = t
		do(t)
	})
}

func (sh *shell) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(os.Getenv(binaryDir), "latchkey"), args...)
	cmd.Dir = sh.dir
	cmd.Env = []string{} // not nil, which would be this process's
	for name, value := range sh.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// type_ runs the program with that on its standard input.
func (sh *shell) type_(stdin string, args ...string) result {
	sh.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := sh.command(ctx, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		sh.t.Fatal(err)
	}
	return sh.keep(result{sh.t, args, cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()})
}

func (sh *shell) keep(r result) result {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.said = append(sh.said, r)
	return r
}

func (sh *shell) run(args ...string) result {
	sh.t.Helper()
	return sh.type_("", args...)
}

// ok runs the program and fails the test unless it succeeds.
func (sh *shell) ok(args ...string) result {
	sh.t.Helper()
	return sh.run(args...).exits(exitOK)
}

// exits asserts the exit status.
func (r result) exits(status int) result {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("latchkey %s: exit status %d, want %d\n%s%s", strings.Join(r.args, " "), r.status, status, r.stdout, r.stderr)
	}
	return r
}

// says asserts that the text is in what went to standard error.
func (r result) says(texts ...string) result {
	r.t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.stderr, text) {
			r.t.Errorf("latchkey %s said\n%swant …%s…", strings.Join(r.args, " "), r.stderr, text)
		}
	}
	return r
}

// prints asserts all of standard output; ids, tokens and times of day are left out of account.
func (r result) prints(want string) result {
	r.t.Helper()
	got := r.stdout
	for pattern, name := range map[string]string{
		`apk_[0-9A-Z]{26}`:               "{id}",
		`\b[ps]k_\w{3}\*\*\*\w{3}`:       "{redacted}",
		`\b[ps]k_[0-9A-Za-z]{49}`:        "{token}",
		`20\d\d-\d\d-\d\d \d\d:\d\d:..Z`: "{time}",
	} {
		got = regexp.MustCompile(pattern).ReplaceAllString(got, name)
	}
	got = regexp.MustCompile(` +`).ReplaceAllString(got, " ")
	if got != want {
		r.t.Errorf("latchkey %s printed\n%swant\n%s", strings.Join(r.args, " "), got, want)
	}
	return r
}

// read parses what a run printed with -o json.
func read[T any](r result) T {
	r.t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(r.stdout))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil || d.More() {
		r.t.Fatalf("latchkey %s printed no single JSON value: %v\n%s", strings.Join(r.args, " "), err, r.stdout)
	}
	return v
}

// create makes a key with the program and returns it, with its token.
// keyView is a key in JSON, as scripts read it.
type keyView struct {
	ID              string            `json:"id"`
	Type            string            `json:"type"`
	Title           string            `json:"title"`
	Description     *string           `json:"description"`
	Status          string            `json:"status"`
	Redacted        string            `json:"redacted"`
	Token           string            `json:"token,omitempty"`
	Scopes          []string          `json:"scopes"`
	SalesChannelIDs []string          `json:"sales_channel_ids"`
	Metadata        map[string]string `json:"metadata"`
	AllowedCIDRs    []netip.Prefix    `json:"allowed_cidrs"`
	RateLimit       *rateView         `json:"rate_limit"`
	CreatedBy       string            `json:"created_by"`
	CreatedAt       *string           `json:"created_at"`
	UpdatedAt       *string           `json:"updated_at"`
	ExpiresAt       *string           `json:"expires_at"`
	RevokedAt       *string           `json:"revoked_at"`
	RevokedBy       string            `json:"revoked_by"`
	LastUsedAt      *string           `json:"last_used_at"`
	RolledFrom      string            `json:"rolled_from"`
	Version         int64             `json:"version"`
}

type rateView struct {
	Requests int     `json:"requests"`
	Window   float64 `json:"window"`
}

// revocationView is what revoke says in JSON, and verdictView what verify says.
type (
	revocationView struct {
		DryRun    bool      `json:"dry_run"`
		RevokedAt *string   `json:"revoked_at"`
		Revoked   []keyView `json:"revoked"`
		Unchanged []keyView `json:"unchanged"`
		NotFound  []string  `json:"not_found"`
	}
	verdictView struct {
		IsAuthenticated bool     `json:"is_authenticated"`
		Reason          string   `json:"reason,omitempty"`
		Key             *keyView `json:"api_key,omitempty"`
	}
)

func (sh *shell) create(args ...string) keyView {
	sh.t.Helper()
	return read[keyView](sh.ok(append([]string{"create", "-o", "json"}, args...)...))
}

func (sh *shell) secret(title string) keyView {
	sh.t.Helper()
	return sh.create("-type", "secret", "-title", title)
}

func (sh *shell) list(args ...string) []keyView {
	sh.t.Helper()
	return read[[]keyView](sh.ok(append([]string{"list", "-o", "json"}, args...)...))
}

func (sh *shell) titles(args ...string) string {
	sh.t.Helper()
	var titles []string
	for _, k := range sh.list(args...) {
		titles = append(titles, k.Title)
	}
	return strings.Join(titles, " ")
}

// instance is a program that serves from a cache over the same database and Redis as the shell's.
type instance struct {
	t     *testing.T
	keys  *store.Keys
	cache *cache.Cache
	close func()
}

func (sh *shell) instance(peppers ...string) *instance {
	t := sh.t
	t.Helper()
	sealer, err := store.NewSealer(peppers)
	if err != nil {
		t.Fatal(err)
	}
	database, err := dburl.Parse(sh.env["DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Connect()
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	rows, err := database.Open(db, quiet)
	if err != nil {
		t.Fatal(err)
	}
	var rdb redis.UniversalClient
	if url := sh.env["REDIS_URL"]; url != "" {
		o, err := cache.ParseRedisURL(url)
		if err != nil {
			t.Fatal(err)
		}
		rdb = redis.NewUniversalClient(o)
	}
	cached, err := cache.Options{Sealer: sealer, Logger: quiet}.New(rows, rdb)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := store.Options{Sealer: sealer, Logger: quiet, FlushInterval: -1}.New(cached)
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{t: t, keys: keys, cache: cached}
	i.close = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := keys.Close(ctx); err != nil {
			t.Error(err)
		}
		if rdb != nil {
			_ = rdb.Close()
		}
		_ = db.Close()
	})
	t.Cleanup(i.close)
	i.eventually("the instance answers from memory", func() bool { return cached.Stats().Fresh })
	if rdb != nil {
		i.eventually("the instance uses Redis", func() bool { return cached.Stats().RedisReady })
	}
	return i
}

// patience is how long a test waits for what should happen at once. Machines that run tests can be
// slow.
const patience = 30 * time.Second

func (i *instance) eventually(what string, ok func() bool) {
	i.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			i.t.Fatalf("did not happen: %s", what)
		}
	}
}

// authenticate returns what the instance says of a token.
func (i *instance) authenticate(token string) error {
	_, err := i.keys.Authenticate(context.Background(), token)
	return err
}

// warm returns when the instance answers for the token from its memory.
func (i *instance) warm(token string) {
	i.t.Helper()
	i.eventually("an answer from memory", func() bool {
		before := i.cache.Stats().Hits
		if err := i.authenticate(token); err != nil && !errors.Is(err, store.ErrUnavailable) {
			i.t.Fatal(err)
		}
		return i.cache.Stats().Hits > before
	})
}
