package soak_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// alone waits until no member is left but the instances that are present.
func (m *mix) alone() {
	m.t.Helper()
	m.eventually("the rows of those who have left are gone", func() bool {
		return m.number(`SELECT count(*) FROM latchkey_member`) <= len(m.present())
	})
}

// TestRequirement33RollingBackMore: as long as no program has raised the level, one of version 1
// can take the database over again, with the keys that this version has made and their
// descriptions.
func TestRequirement33RollingBackMore(t *testing.T) {
	mixed(t, grounds, 1, func(m *mix) {
		first, fresh, second := m.all[0], m.soon(""), m.soon(m.old.instance())
		m.report.begin("rolling back")
		m.join(fresh)
		made := m.many(fresh)
		described := m.make(fresh, `"type":"secret"`)
		m.describe(described, "made by this version")
		m.leave(first)
		m.alone()
		m.same("version 1 has left", made)
		m.everywhere("version 1 has left", described, http.StatusOK, may())
		m.notRaised()
		m.leave(fresh)
		m.join(second)
		m.same("version 1 is back", made)
		m.post(second, described, "", `{"scopes":["a:read"]}`)
		m.everywhere("version 1 is back", described, http.StatusOK, may("scopes []string(nil)", `scopes []string{"a:read"}`))
		if got := m.describedAs(described); got != "made by this version" {
			m.t.Errorf("the description is %q after a change by version 1", got)
		}
		m.post(second, made[0], "/revoke", "")
		m.nowhere("revoked by version 1", made[0])
		m.notRaised()
		m.noAlarms()
	})
}

// describe gives the key a description, as this version writes it.
func (m *mix) describe(k *key, text string) {
	m.t.Helper()
	if _, err := m.db.Exec(fmt.Sprintf(`UPDATE latchkey_key SET description = '%s' WHERE id = '%s'`, text, k.id)); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mix) describedAs(k *key) (text string) {
	m.t.Helper()
	if err := m.db.QueryRow(fmt.Sprintf(`SELECT coalesce(description, '') FROM latchkey_key WHERE id = '%s'`, k.id)).Scan(&text); err != nil {
		m.t.Fatal(err)
	}
	return text
}

// TestRequirement33TheLastOldInstanceLeavesMore: when nobody of version 1 is left, the next change
// of a key seals what version 1 cannot check, and from then on no program of version 1 starts.
func TestRequirement33TheLastOldInstanceLeavesMore(t *testing.T) {
	mixed(t, grounds, 1, func(m *mix) {
		old, fresh, late, cut := m.all[0], m.soon(""), m.soon(m.old.instance()), m.soon(m.old.instance())
		m.report.begin("the last one leaves")
		m.join(fresh)
		byOld, byFresh := m.many(old), m.many(fresh)
		m.notRaised()
		if cut.db != nil { // it starts, but cannot open the database before it has been raised
			cut.db.Cut()
			cut.start()
		}
		m.leave(old)
		m.alone()
		m.same("version 1 has left", byOld)
		m.notRaised()

		m.post(fresh, byFresh[0], "", `{"scopes":["a:read"]}`)
		m.post(fresh, byOld[0], "/revoke", `{"revoke_in":86400}`)
		names := map[string]int{}
		rows, err := m.db.Query(`SELECT coalesce(proof_names, '-'), count(*) FROM latchkey_key GROUP BY 1`)
		if err != nil {
			m.t.Fatal(err)
		}
		for rows.Next() {
			var name string
			var n int
			if err := rows.Scan(&name, &n); err != nil {
				m.t.Fatal(err)
			}
			names[name] = n
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			m.t.Fatal(err)
		}
		lowest := m.number(`SELECT min_compatible FROM latchkey_version`)
		if m.plain { // nothing is sealed, and so nothing has been written that version 1 would misread
			if names["-"] != 1+len(byOld)+len(byFresh) || lowest != 1 {
				m.t.Errorf("proofs by what they cover: %v; min_compatible %d, want 1", names, lowest)
			}
			m.join(late)
			m.everywhere("changed by this version", byFresh[0], http.StatusOK, may("scopes []string(nil)", `scopes []string{"a:read"}`))
			m.noAlarms()
			return
		}
		if names[`["created_by"]`] != 2 || lowest != 2 {
			m.t.Errorf("proofs by what they cover: %v, want two of created_by; min_compatible %d, want 2", names, lowest)
		}
		m.everywhere("sealed again", byFresh[0], http.StatusOK, may("scopes []string(nil)", `scopes []string{"a:read"}`))
		m.everywhere("sealed again", byOld[0], http.StatusOK, may("revoked not set", "revoked then"))
		m.everywhere("not sealed again", byOld[1], http.StatusOK, powers[1].want)

		m.refusesToStart(late)
		if cut.db != nil {
			cut.db.Heal()
			m.eventually("it has reached the database", func() bool { return strings.Contains(m.said(cut), "database cannot be used") })
			for _, k := range []*key{byFresh[0], byOld[1]} {
				if status, _ := m.seen(cut, k); status != http.StatusServiceUnavailable {
					m.t.Errorf("version 1, which met the raised database late, answers %d, want 503", status)
				}
			}
			cut.process.kill()
		}
		for _, args := range [][]string{{"list"}, {"create", "-type", "secret"}, {"revoke", byFresh[1].id}} {
			if run := m.cli(m.old.latchkey(), "", args...); run.code == 0 || !strings.Contains(run.stderr, "newer") {
				m.t.Errorf("latchkey %s of version 1: %s", args[0], run)
			}
		}
		m.everywhere("not revoked", byFresh[1], http.StatusOK, powers[1].want)
		m.noAlarms()
	})
}

// refusesToStart fails the test unless the instance ends by itself, says why, and serves nothing.
func (m *mix) refusesToStart(i *instance) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, i.program, i.flags...)
	cmd.Dir, cmd.Env = filepath.Dir(i.log), i.env
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || out.Len() > 0 || !strings.Contains(said.String(), "newer than this program understands") {
		m.t.Errorf("version 1 on a database that needs more: %v, %s%s", err, &out, &said)
	}
}

// run is what came of a command.
type run struct {
	stdout, stderr string
	code           int
}

func (r run) String() string { return fmt.Sprintf("exit status %d\n%s%s", r.code, r.stdout, r.stderr) }

// pepper is that of the instances.
const pepper = "soak-test-9fQ2xLr7Tz4mVb1KcY8wNd3H"

// cli runs the command line, with the environment of the instances.
func (m *mix) cli(program, stdin string, args ...string) run {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"HOME=" + m.dir, "DATABASE_URL=" + m.dsn}
	if !m.plain {
		cmd.Env = append(cmd.Env, "LATCHKEY_PEPPERS="+pepper)
	}
	if m.redis != nil {
		address, _ := m.redis.address(m.t, true)
		cmd.Env = append(cmd.Env, "REDIS_URL="+address)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		m.t.Errorf("%s: %v", args, err)
		return run{code: -1}
	}
	return run{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// works runs the command line, expects success, and decodes what it prints. It reports whether that
// had to wait for a lease.
func (m *mix) works(program, stdin string, to any, args ...string) (slow bool) {
	m.t.Helper()
	run := m.cli(program, stdin, args...)
	if run.code != 0 {
		m.t.Errorf("latchkey %s: %s", args, run)
	}
	slow = strings.Contains(run.stderr, "wait for a lease")
	if to == nil {
		return slow
	}
	if err := json.Unmarshal([]byte(run.stdout), to); err != nil {
		m.t.Errorf("latchkey %s: %v in %s", args, err, run)
	}
	return slow
}

// TestRequirement33OldCommandLineMore: the command line of version 1 beside instances of both
// versions does what it says, and so does that of this version.
func TestRequirement33OldCommandLineMore(t *testing.T) {
	mixed(t, grounds, 1, func(m *mix) {
		fresh := m.soon("")
		m.report.begin("command line")
		m.join(fresh)
		var both sync.WaitGroup
		for name, program := range map[string]string{"version 1": m.old.latchkey(), "this version": m.old.latest()} {
			both.Go(func() { m.commands(name, program) })
		}
		both.Wait()
		m.notRaised()
		m.noAlarms()
	})
}

// commands has a command line make, roll and revoke keys, and read them.
func (m *mix) commands(name, program string) {
	m.t.Helper()
	slow := 0
	changing := func(to any, args ...string) {
		m.t.Helper()
		if m.works(program, "", to, args...) {
			slow++
		}
	}
	var made struct{ ID, Token string }
	changing(&made, "create", "-o", "json", "-type", "secret", "-title", "shell", "-scope", "a:read")
	k := &key{id: made.ID, token: made.Token, created: m.now()}
	m.everywhere("made by the command line of "+name, k, http.StatusOK, may("scopes []string(nil)", `scopes []string{"a:read"}`))
	var next struct{ ID, Token string }
	changing(&next, "roll", "-o", "json", k.id)
	m.nowhere("rolled by the command line of "+name, k)
	k = &key{id: next.ID, token: next.Token, created: m.now()}
	m.everywhere("made by a roll of the command line of "+name, k, http.StatusOK, may("scopes []string(nil)", `scopes []string{"a:read"}`))
	for _, by := range m.present() {
		known := m.make(by, `"type":"secret"`)
		m.works(program, known.token, nil, "verify")
		type line struct{ ID, Status string }
		var listed []line
		m.works(program, "", &listed, "list", "-o", "json", "-limit", "0")
		if !slices.Contains(listed, line{known.id, "active"}) {
			m.t.Errorf("the command line of %s lists %v, without %s", name, listed, known.id)
		}
		changing(nil, "revoke", known.id)
		m.nowhere("revoked by the command line of "+name, known)
	}
	m.works(program, "", nil, "events")
	m.works(program, "", nil, "peppers")
	if m.redis != nil && slow > 2 { // a slow machine takes longer to start a program than it has
		m.t.Errorf("%d of 4 changes by the command line of %s had to wait for a lease", slow, name)
	}
}

// TestRequirement33WhoIsCutOffMore: an instance that has lost the database, and whose row of the
// members has lapsed, goes on answering from Redis. Its answers must not be stale after a
// change of the other one, whichever of the two is of version 1, and though the other may never
// have seen it.
func TestRequirement33WhoIsCutOffMore(t *testing.T) {
	mixed(t, grounds[:2], 1, func(m *mix) { // those with Redis
		old, fresh, late := m.all[0], m.soon(""), m.soon(m.old.instance())
		m.report.begin("cut off")
		m.join(fresh)
		m.cutOff(old, fresh, m.make(fresh, `"type":"secret"`))
		m.cutOff(fresh, old, m.make(old, `"type":"secret"`))
		if !m.plain {
			return // it would raise the level now
		}
		m.leave(old)
		m.alone()
		m.make(fresh, `"type":"secret"`)
		k := m.make(fresh, `"type":"secret"`) // now it knows that nobody is of version 1
		m.join(late)
		m.cutOff(late, fresh, k)
	})
}

// cutOff has an instance lose the database, and another revoke a key that it knows.
func (m *mix) cutOff(lost, changer *instance, k *key) {
	m.t.Helper()
	m.eventually("Redis is up to date", m.redisFollows)
	before := m.inside(lost).Cache
	m.everywhere("nobody is cut off", k, http.StatusOK, may())
	m.eventually("Redis has the key", func() bool {
		now := m.inside(lost).Cache
		return now.Fills+now.RedisHits > before.Fills+before.RedisHits
	})
	lost.db.Cut()
	m.eventually("the lease is over", func() bool { return m.inside(lost).Cache.Stale })
	m.eventually(m.name(lost)+" answers from Redis", func() bool {
		status, power := m.seen(lost, k)
		return status == http.StatusOK && power == may()
	})
	level := 2
	if m.isOld(lost) {
		level = 1
	}
	if _, err := m.db.Exec(fmt.Sprintf(`UPDATE latchkey_member SET expires_at = now() - interval '1 minute'
		WHERE coalesce(level, 1) = %d`, level)); err != nil {
		m.t.Fatal(err)
	}
	m.post(changer, k, "/revoke", "")
	// Nobody waits for it any more: the watermarks keep it from answering from before the change.
	for range 3 {
		if status, _ := m.seen(lost, k); status == http.StatusOK {
			m.t.Errorf("%s, cut off, lets in a key that was revoked at %s", m.name(lost), m.name(changer))
		}
	}
	lost.db.Heal()
	m.settle()
	m.nowhere("it is back", k)
}

// redisFollows reports whether all watermarks in Redis are at the head of the feed: what is loaded
// then stays there.
func (m *mix) redisFollows() bool {
	m.t.Helper()
	ctx, rdb := context.Background(), m.redis.(*standalone).server.rdb
	marks, err := rdb.Keys(ctx, "*:wm").Result()
	head := fmt.Sprint(m.number(`SELECT head FROM latchkey_feed`))
	for _, mark := range marks {
		at, err := rdb.Get(ctx, mark).Result()
		if parts := strings.Split(at, ":"); err != nil || len(parts) < 2 || parts[1] != head {
			return false
		}
	}
	return err == nil && len(marks) == 2 // of both versions
}

// TestRequirement33AForeignAttributeMore: a key that a newer program has sealed, with an attribute
// that this one does not know, cannot be decided here. It is no forgery, and stays as it is.
func TestRequirement33AForeignAttributeMore(t *testing.T) {
	mixed(t, grounds, 0, func(m *mix) {
		i := m.all[0]
		m.report.begin("a foreign attribute")
		k, other := m.make(i, `"type":"secret","scopes":["a:read"]`), m.make(i, `"type":"secret"`)
		m.everywhere("known", other, http.StatusOK, may())
		// As a program of version 3 would, and without telling anybody: nobody has used the key
		// yet.
		if _, err := m.db.Exec(fmt.Sprintf(`UPDATE latchkey_key SET proof_names = '["created_by","owner_of_a_later_version"]' WHERE id = '%s'`, k.id)); err != nil {
			m.t.Fatal(err)
		}
		row := m.row(k)
		m.everywhere("foreign", k, http.StatusServiceUnavailable, "")
		for _, c := range []struct{ method, path, body string }{
			{"POST", "/" + k.id, `{"title":"new"}`},
			{"POST", "/" + k.id, `{"scopes":["b:write"]}`},
			{"POST", "/" + k.id + "/revoke", ""},
			{"POST", "/" + k.id + "/revoke", `{"revoke_in":86400}`},
			{"POST", "/" + k.id + "/roll", ""},
			{"DELETE", "/" + k.id, ""},
			{"POST", "/revoke", `{"id":"` + k.id + `"}`},
			{"POST", "/verify", `{"token":"` + k.token + `"}`},
		} {
			a, got := m.ask(i, m.admin, m.admin.token, c.method, "/admin/api-keys"+c.path, c.body)
			if a.err != nil || a.status != http.StatusServiceUnavailable || a.retryAfter == "" {
				m.t.Errorf("%s %s %s: %d %v, Retry-After %q, %s; want 503", c.method, c.path, c.body, a.status, a.err, a.retryAfter, got)
			}
		}
		for _, c := range []struct{ method, path string }{{"POST", "/api-keys/self/revoke"}, {"GET", "/api-keys"}, {"GET", "/api-keys/" + other.id}} {
			a, got := m.ask(i, k, k.token, c.method, "/admin"+c.path, "")
			if a.err != nil || a.status != http.StatusServiceUnavailable || a.retryAfter == "" {
				m.t.Errorf("asked by it: %s %s: %d %v, Retry-After %q, %s; want 503", c.method, c.path, a.status, a.err, a.retryAfter, got)
			}
		}
		for _, path := range []string{"", "/" + k.id, "/" + k.id + "/events"} { // reading is no decision
			m.manage(i, http.MethodGet, path, "", nil)
		}
		if after := m.row(k); after != row {
			m.t.Errorf("the row was\n%s\nand is\n%s", row, after)
		}
		m.everywhere("known", other, http.StatusOK, may())
		m.noAlarms()
	})
}

// row is all of a key's row.
func (m *mix) row(k *key) string {
	m.t.Helper()
	rows, err := m.db.Query(fmt.Sprintf(`SELECT * FROM latchkey_key WHERE id = '%s'`, k.id))
	if err != nil {
		m.t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil || !rows.Next() {
		m.t.Fatal(err, rows.Err())
	}
	values, targets := make([]any, len(names)), make([]any, len(names))
	for n := range values {
		targets[n] = &values[n]
	}
	if err := rows.Scan(targets...); err != nil {
		m.t.Fatal(err)
	}
	var text strings.Builder
	for n, name := range names {
		if name != "last_used_at" {
			fmt.Fprintf(&text, "%s=%v ", name, values[n])
		}
	}
	return text.String()
}
