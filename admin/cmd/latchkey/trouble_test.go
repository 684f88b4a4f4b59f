package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// closedPort returns an address at which nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestADatabaseThatIsAwayIsAFailure(t *testing.T) {
	t.Parallel()
	sh := newShell(t, "DATABASE_URL", "postgres://u:hunter2@"+closedPort(t)+"/x?sslmode=disable")
	r := sh.run("create", "-type", "secret").exits(exitFailed).says("latchkey create: ", store.ErrUnavailable.Error())
	if strings.Contains(r.stderr, "hunter2") || strings.Count(r.stderr, "\n") != 1 {
		t.Errorf("want one line and no password:\n%s", r.stderr)
	}
}

func TestAFileThatIsNoDatabase(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t)
	if err := os.WriteFile(strings.TrimPrefix(sh.env["DATABASE_URL"], "sqlite:"), bytes.Repeat([]byte("no database "), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	sh.run("list").exits(exitFailed).says("latchkey list: ", "not a database")
}

func TestARedisThatIsAwayIsAWarning(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t)
	running := sh.instance()
	sh.env["REDIS_URL"] = "redis://:hunter2@" + closedPort(t)
	var made keyView
	r := sh.ok("create", "-type", "secret", "-o", "json").says("warning: ", "Redis", withoutRedisNote)
	if made = read[keyView](r); running.authenticate(made.Token) != nil {
		t.Error("the key does not work")
	}
	if strings.Contains(r.stderr, "hunter2") {
		t.Errorf("it says the password:\n%s", r.stderr)
	}
}

// The user of docs/operations.md has no CLIENT and no PING.
func TestARedisUserThatMayDoLittle(t *testing.T) {
	t.Parallel()
	server := servers.NewRedis(t)
	sh := onSQLite(t)
	rules := aclOfTheDocs(t)
	server.Do(append([]string{"ACL", "SETUSER"}, rules...)...)
	sh.env["REDIS_URL"] = "redis://latchkey:change-me@" + server.Addr()
	if r := sh.ok("create", "-type", "secret"); strings.Contains(r.stderr, "Redis") {
		t.Errorf("it complains:\n%s", r.stderr)
	}
	if n := server.Do("DBSIZE"); n == ":0" {
		t.Error("Redis has nothing: the change did not reach it")
	}
	server.Do("ACL", "SETUSER", "latchkey", "-mget", "-evalsha")
	sh.ok("create", "-type", "secret").says("warning: ", "NOPERM", withoutRedisNote)
	sh.env["REDIS_URL"] = "redis://latchkey:hunter2@" + server.Addr()
	if r := sh.ok("create", "-type", "secret").says("warning: ", "WRONGPASS"); strings.Contains(r.stderr, "hunter2") {
		t.Errorf("it says the password:\n%s", r.stderr)
	}
}

// aclOfTheDocs returns the words of the user that docs/operations.md recommends, after "user".
func aclOfTheDocs(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "user latchkey "); ok {
			return append([]string{"latchkey"}, strings.Fields(rest)...)
		}
	}
	t.Fatal("docs/operations.md has no line that begins with user latchkey")
	return nil
}

func TestWithoutRedisSaysWhatTheBoundIs(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t, "REDIS_URL", "redis://"+closedPort(t))
	if r := sh.ok("create", "-type", "secret", "-without-redis").says(withoutRedisNote); strings.Contains(r.stderr, "does not answer") {
		t.Errorf("it asked Redis all the same:\n%s", r.stderr)
	}
}

func TestErrorsOfChangesSayWhatToDo(t *testing.T) {
	t.Parallel()
	if err := explain(fmt.Errorf("x: %w", cache.ErrNeedsRedis), "look"); !errors.Is(err, cache.ErrNeedsRedis) || !strings.Contains(err.Error(), "-without-redis") ||
		!strings.Contains(err.Error(), "Nothing was written") || !strings.Contains(err.Error(), withoutRedisNote) {
		t.Error(err)
	}
	if err := explain(fmt.Errorf("x: %w", store.ErrUnavailable), "look"); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "may have been made: look") {
		t.Error(err)
	}
	if err := explain(store.ErrNotFound, "look"); err != store.ErrNotFound {
		t.Error(err)
	}
}

func TestOtherFailures(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t)
	dead := sh.secret("dead")
	sh.ok("revoke", dead.ID)
	sh.run("roll", "apk_nobody").exits(exitFailed).says("API Key with id: apk_nobody was not found")
	sh.run("roll", dead.ID).exits(exitFailed).says("Cannot roll an API key that is revoked or expired")
}

// TestATokenThatCannotBeWritten: the key is named, so that it can be revoked.
func TestATokenThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("SKIPPED: this machine has no /dev/full: %v", err)
	}
	defer full.Close()
	sh := onSQLite(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stderr bytes.Buffer
	cmd := sh.command(ctx, "create", "-type", "secret")
	cmd.Stdout, cmd.Stderr = full, &stderr
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != exitFailed {
		t.Errorf("%v", err)
	}
	if made := sh.list(); len(made) != 1 || !strings.Contains(stderr.String(), "key "+made[0].ID+" was created, but its token is lost") {
		t.Errorf("%+v\n%s", made, stderr.String())
	}
}

// TestASignalDoesNotLoseAToken: a change that holds the feed's lock makes create wait, so that it
// can be told to stop in the middle.
func TestASignalDoesNotLoseAToken(t *testing.T) {
	t.Parallel()
	sh := newShell(t, "DATABASE_URL", servers.Postgres(t).Database(t))
	sh.ok("create", "-type", "publishable")
	database, err := dburl.Parse(sh.env["DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	lock, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Rollback() }()
	if _, err := lock.ExecContext(t.Context(), `SELECT head FROM latchkey_feed FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := sh.command(ctx, "create", "-type", "secret", "-o", "json")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "create waits for the lock", func() bool { return waiting(t, db) > 0 })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	if made := read[keyView](result{t, cmd.Args, 0, stdout.String(), stderr.String()}); made.Token == "" || len(sh.list()) != 2 {
		t.Errorf("%+v", made)
	}
}

func waiting(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen: %s", what)
		}
	}
}

// TestWithoutTheRedisOfRunningInstances: a change that Redis would not hear of is refused, unless
// it is meant.
func TestWithoutTheRedisOfRunningInstances(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t, "REDIS_URL", servers.Redis(t).URL())
	running, rows := sh.instance(), sh.rows()
	members := func() int {
		t.Helper()
		all, err := rows.Members(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	waitFor(t, "the instance is known as one", func() bool { return members() == 1 })
	made := sh.secret("with Redis")
	running.warm(made.Token)
	if n := members(); n != 1 {
		t.Errorf("%d members: the program has joined them", n)
	}
	delete(sh.env, "REDIS_URL")
	before := len(read[[]eventView](sh.ok("events", "-o", "json")))
	for _, args := range [][]string{{"create", "-type", "secret"}, {"revoke", made.ID}, {"revoke", "-all", "-yes"}, {"roll", made.ID}} {
		sh.run(args...).exits(exitFailed).says(cache.ErrNeedsRedis.Error(), "Nothing was written", "-redis", "-without-redis", withoutRedisNote)
	}
	sh.ok("list")
	sh.type_(made.Token, "verify").exits(exitOK)
	if n := len(read[[]eventView](sh.ok("events", "-o", "json"))); n != before {
		t.Errorf("%d events have been written", n-before)
	}
	if err := running.authenticate(made.Token); err != nil {
		t.Errorf("the key of a refused change: %v", err)
	}
	sh.ok("revoke", made.ID, "-without-redis").says(withoutRedisNote)
	if err := running.authenticate(made.Token); !errors.Is(err, store.ErrRevoked) {
		t.Errorf("after revoke -without-redis has returned: %v, want ErrRevoked", err)
	}
}
