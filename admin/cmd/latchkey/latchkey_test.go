package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// everywhere runs a test on each kind of database, alone and beside a Redis.
func everywhere(t *testing.T, test func(*testing.T, *shell)) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, onSQLite(t))
	})
	t.Run("SQLite and Redis", func(t *testing.T) {
		t.Parallel()
		test(t, onSQLite(t, "REDIS_URL", servers.Redis(t).URL()))
	})
	t.Run("PostgreSQL and Redis", func(t *testing.T) {
		t.Parallel()
		test(t, newShell(t, "DATABASE_URL", servers.Postgres(t).Database(t), "REDIS_URL", servers.Redis(t).URL()))
	})
}

func TestARunningInstanceSeesEveryChangeAtOnce(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, sh *shell) {
		sh.env["LATCHKEY_PEPPERS"] = pepper1
		running := sh.instance(pepper1)
		for n := range 3 {
			made := sh.secret(fmt.Sprint("key ", n))
			if err := running.authenticate(made.Token); err != nil {
				t.Fatalf("a new key: %v", err)
			}
			running.warm(made.Token)
			rolled := read[keyView](sh.ok("roll", made.ID, "-o", "json", "-grace", "1h"))
			if rolled.RolledFrom != made.ID || rolled.Title != made.Title || rolled.Token == made.Token {
				t.Errorf("rolled: %+v", rolled)
			}
			running.warm(rolled.Token)
			if err := running.authenticate(made.Token); err != nil {
				t.Fatalf("the old key in its grace period: %v", err)
			}
			sh.ok("revoke", made.ID, rolled.ID)
			for _, token := range []string{made.Token, rolled.Token} {
				if err := running.authenticate(token); !errors.Is(err, store.ErrRevoked) {
					t.Errorf("after revoke has returned: %v, want ErrRevoked", err)
				}
			}
		}
	})
}

func TestEveryCommandOnEveryDatabase(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, sh *shell) {
		made := sh.create("-type", "secret", "-title", "ERP", "-scope", "orders:read", "-scope", "orders:write", "-cidr", "10.0.0.0/8", "-cidr", "192.0.2.7",
			"-metadata", "team=ops", "-rate", "100/1m", "-expires-in", "90d", "-namespace", "acme", "-actor", "user_1")
		public := sh.create("-type", "publishable", "-title", "shop", "-channel", "sc_1", "-channel", "sc_2")
		if !strings.HasPrefix(made.Token, "sk_acme_") || made.CreatedBy != "user_1" || fmt.Sprint(made.Scopes) != "[orders:read orders:write]" ||
			fmt.Sprint(made.AllowedCIDRs) != "[10.0.0.0/8 192.0.2.7/32]" || made.Metadata["team"] != "ops" || *made.RateLimit != (rateView{100, 60}) ||
			made.Status != active || made.ExpiresAt == nil || fmt.Sprint(public.SalesChannelIDs) != "[sc_1 sc_2]" {
			t.Errorf("%+v\n%+v", made, public)
		}
		expires, err := time.Parse(time.RFC3339, *made.ExpiresAt)
		if left := time.Until(expires); err != nil || left < 89*day || left > 91*day {
			t.Errorf("expires at %s, want 90 days from now", *made.ExpiresAt)
		}

		listed := sh.list()
		if len(listed) != 2 || listed[0].ID != made.ID || listed[0].Token != "" || listed[1].Token != public.Token {
			t.Errorf("%+v", listed)
		}

		verdict := read[verdictView](sh.type_(made.Token+"\nmore\n", "verify", "-o", "json").exits(exitOK))
		if !verdict.IsAuthenticated || verdict.Key.ID != made.ID || verdict.Key.Token != "" {
			t.Errorf("%+v", verdict)
		}

		done := read[revocationView](sh.ok("revoke", "-o", "json", made.ID))
		if len(done.Revoked) != 1 || done.Revoked[0].Status != revoked || !strings.HasPrefix(done.Revoked[0].RevokedBy, "cli:") || done.RevokedAt != nil {
			t.Errorf("%+v", done)
		}
		verdict = read[verdictView](sh.type_(made.Token, "verify", "-o", "json").exits(exitFailed).says("revoked"))
		if verdict.IsAuthenticated || verdict.Reason != "revoked" || verdict.Key != nil {
			t.Errorf("%+v", verdict)
		}

		events := read[[]eventView](sh.ok("events", "-o", "json", "-key", made.ID))
		if len(events) != 2 || events[0].Kind != "created" || events[0].Actor != "user_1" || events[1].Kind != "revoked" || !strings.HasPrefix(events[1].Actor, "cli:") {
			t.Errorf("%+v", events)
		}
		counts := read[peppersView](sh.ok("peppers", "-o", "json"))
		if fmt.Sprint(counts.Peppers) != "[{ false false 2 0}]" || counts.Resealed != nil {
			t.Errorf("%+v", counts)
		}
		pruned := read[pruneView](sh.ok("prune", "-o", "json", "-older-than", "1h"))
		if pruned.Removed != 0 || pruned.Remaining != 3 || pruned.DeletionsKept != 0 {
			t.Errorf("%+v", pruned)
		}
	})
}

func TestTables(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t)
	sh.ok("create", "-type", "secret", "-title", "a\x1b[2J\nb", "-scope", "orders:read", "-rate", "5/1m", "-cidr", "10.0.0.0/8", "-expires-at", "2190-01-31", "-actor", "user_1").
		prints("id {id}\ntype secret\ntitle a\\u001b[2J\\u000ab\nstatus active\nscopes orders:read\nallowed networks 10.0.0.0/8\nrate limit 5 per 1m0s\n" +
			"expires 2190-01-31 00:00:00Z\ncreated by user_1\ntoken {token}\n").
		says("once")
	public := sh.create("-type", "publishable", "-title", strings.Repeat("ä", 80), "-channel", "sc_1", "-actor", "user_1")
	sh.ok("roll", public.ID, "-grace", "1d").
		prints("id {id}\ntype publishable\ntitle " + strings.Repeat("ä", 80) + "\nstatus active\nscopes unrestricted\nsales channels sc_1\nexpires never\n" +
			"rolled from {id}\ncreated by user_1\ntoken {token}\n")
	sh.ok("list").prints("ID TYPE STATUS ENDS LAST USED TOKEN TITLE\n" +
		"{id} secret active 2190-01-31 00:00:00Z - {redacted} a\\u001b[2J\\u000ab\n" +
		"{id} publishable active {time} - {redacted} " + strings.Repeat("ä", 59) + "…\n" +
		"{id} publishable active - - {redacted} " + strings.Repeat("ä", 59) + "…\n")
	sh.ok("revoke", "-yes", "-title", "a\x1b[2J\nb", "-actor", "user_2").prints("ID TYPE STATUS ENDS LAST USED TOKEN TITLE\n{id} secret revoked {time} - {redacted} a\\u001b[2J\\u000ab\n").
		says("1 keys revoked\n")
	sh.ok("events", "-kind", "revoked").prints("NUMBER TIME KIND KEY ACTOR DETAILS\n3 {time} revoked {id} " + sh.user() + " revoked_at=" + sh.revokedAt(3) + " successor={id}\n5 {time} revoked {id} user_2 revoked_at=" + sh.revokedAt(5) + "\n")
	sh.ok("peppers").prints("PEPPER KEYS REFUSED\nnone 3 0 keys without a proof\n")
	sh.type_(public.Token, "verify").exits(exitOK).prints("id {id}\ntype publishable\ntitle " + strings.Repeat("ä", 80) + "\nstatus active\nscopes unrestricted\nsales channels sc_1\n" +
		"expires never\nrevoked {time}\ncreated by user_1\n")
	sh.type_("sk_x", "verify").exits(exitFailed).prints("refused malformed token\n")
}

// user is the default actor.
func (sh *shell) user() string { return "cli:" + userName() }

// revokedAt returns when the revocation with that number takes effect.
func (sh *shell) revokedAt(number int64) string {
	sh.t.Helper()
	return read[[]eventView](sh.ok("events", "-o", "json", "-after", fmt.Sprint(number-1), "-limit", "1"))[0].Details["revoked_at"]
}

func TestListing(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t)
	keys := sh.instance().keys
	for _, title := range strings.Fields("k0 k1 k2 quagga k4 k5 k6") {
		if _, err := keys.Create(t.Context(), store.NewKey{Type: store.Secret, Title: title}); err != nil {
			t.Fatal(err)
		}
	}
	sh.ok("revoke", "-yes", "-title", "k1")
	sh.ok("revoke", "-yes", "-title", "k2", "-in", "1h")
	sh.create("-type", "publishable", "-title", "p", "-expires-at", time.Now().Add(2*time.Second).Format(time.RFC3339Nano))
	for _, c := range []struct{ args, want string }{
		{"", "k0 k1 k2 quagga k4 k5 k6 p"},
		{"-type publishable", "p"},
		{"-q UAGG", "quagga"},
		{"-title k4", "k4"},
		{"-status revoked", "k1"},
		{"-status active -type secret", "k0 k2 quagga k4 k5 k6"},
		{"-limit 2", "k0 k1"},
		{"-limit 2 -status active", "k0 k2"},
		{"-limit 0", "k0 k1 k2 quagga k4 k5 k6 p"},
		{"-after {1} -limit 3", "k2 quagga k4"},
		{"-created-after 2190-01-01", ""},
		{"-created-before 2190-01-01T00:00:00Z -type publishable", "p"},
	} {
		all := sh.list()
		if got := sh.titles(strings.Fields(strings.ReplaceAll(c.args, "{1}", all[1].ID))...); got != c.want {
			t.Errorf("list %s: %q, want %q", c.args, got, c.want)
		}
	}
	if said := sh.ok("list", "-limit", "8").stderr; said != "" {
		t.Errorf("all are shown, and it said %q", said)
	}
	sh.ok("list", "-limit", "2").says("-after " + sh.list()[1].ID)
	for deadline := time.Now().Add(patience); sh.titles("-status", "expired") != "p"; {
		if time.Now().After(deadline) {
			t.Fatal("the key never expired")
		}
	}
	if read := read[[]keyView](sh.ok("list", "-o", "json", "-q", "nothing has this")); read == nil {
		t.Error("nothing found is null in JSON, want []")
	}
}

func TestListingReadsPageByPage(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t)
	keys := sh.instance().keys
	for _, n := range []int{1000, 1} {
		if _, err := keys.CreateMany(t.Context(), manyKeys(n)); err != nil {
			t.Fatal(err)
		}
	}
	all := sh.list("-limit", "0")
	if len(all) != 1001 {
		t.Errorf("%d keys, want 1001", len(all))
	}
	if rest := sh.list("-limit", "2", "-after", all[998].ID, "-status", "active"); len(rest) != 2 || rest[1].ID != all[1000].ID {
		t.Errorf("%+v", rest)
	}
	if some := sh.list("-limit", "501"); len(some) != 501 || some[500].ID != all[500].ID {
		t.Errorf("%d keys", len(some))
	}
}

func TestEventsArePaged(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t)
	keys := sh.instance().keys
	for range 3 {
		if _, err := keys.Create(t.Context(), store.NewKey{Type: store.Secret}); err != nil {
			t.Fatal(err)
		}
	}
	ids := func(args ...string) string {
		var all []string
		for _, e := range read[[]eventView](sh.ok(append([]string{"events", "-o", "json"}, args...)...)) {
			all = append(all, fmt.Sprint(e.ID))
		}
		return strings.Join(all, " ")
	}
	for _, c := range []struct{ args, want string }{
		{"", "1 2 3"}, {"-after 1", "2 3"}, {"-limit 2", "1 2"}, {"-limit 0", "1 2 3"}, {"-since 1h", "1 2 3"}, {"-since 0s", ""}, {"-kind rolled", ""}, {"-key apk_x", ""},
	} {
		if got := ids(strings.Fields(c.args)...); got != c.want {
			t.Errorf("events %s: %q, want %q", c.args, got, c.want)
		}
	}
	sh.ok("events", "-limit", "2").says("-after 2\n")
}

func TestRevoking(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t)
	keys := sh.instance().keys
	ids := map[string]string{}
	for _, title := range []string{"a", "b", "c", "d", "e", "f"} {
		made, err := keys.Create(t.Context(), store.NewKey{Type: store.Secret, Title: title})
		if err != nil {
			t.Fatal(err)
		}
		ids[title] = made.Key.ID
	}
	// ends says when a key ends, from now.
	ends := func(title string) time.Duration {
		sh.t.Helper()
		k, err := keys.Get(sh.t.Context(), ids[title])
		if err != nil {
			sh.t.Fatal(err)
		}
		if k.RevokedAt.IsZero() {
			return 0
		}
		return time.Until(k.RevokedAt.Time()).Round(time.Hour)
	}
	revoke := func(args ...string) revocationView {
		sh.t.Helper()
		return read[revocationView](sh.ok(append([]string{"revoke", "-o", "json", "-yes"}, args...)...))
	}
	names := func(keys []keyView) (names string) {
		for _, k := range keys {
			names += k.Title
		}
		return names
	}

	sh.step("a dry run shows and does nothing", func(t *testing.T) {
		for _, args := range [][]string{{"-all", "-dry-run"}, {"-dry-run", ids["a"], "-in", "1h"}} {
			v := revoke(args...)
			if !v.DryRun || len(v.Revoked) == 0 {
				t.Errorf("%v: %+v", args, v)
			}
		}
		if got := sh.titles("-status", "active"); got != "a b c d e f" || ends("a") != 0 {
			t.Errorf("alive: %s", got)
		}
	})
	sh.step("an empty title is a title, and not every one", func(t *testing.T) {
		if v := revoke("-title", "", "-type", "secret"); len(v.Revoked) != 0 {
			t.Errorf("revoked %s", names(v.Revoked))
		}
	})
	sh.step("later by id, flags behind the id", func(t *testing.T) {
		v := revoke(ids["a"], "-in", "24h")
		if names(v.Revoked) != "a" || v.Revoked[0].Status != active || v.RevokedAt == nil || ends("a") != 24*time.Hour {
			t.Errorf("%+v, ends in %s", v, ends("a"))
		}
	})
	sh.step("an end is only brought forward", func(t *testing.T) {
		for _, args := range [][]string{{ids["a"], "-in", "48h"}, {"-title", "a", "-in", "48h"}} {
			if v := revoke(args...); len(v.Revoked) != 0 || ends("a") != 24*time.Hour {
				t.Errorf("%v: %+v, ends in %s", args, v, ends("a"))
			}
		}
		sh.ok("revoke", ids["a"], "-in", "48h").says("0 keys revoked at ", ", 1 end earlier")
		if v := revoke("-title", "a", "-in", "5h"); names(v.Revoked) != "a" || ends("a") != 5*time.Hour {
			t.Errorf("%+v, ends in %s", v, ends("a"))
		}
	})
	sh.step("now, several at once, each once", func(t *testing.T) {
		if v := revoke(ids["a"], ids["b"], ids["b"]); names(v.Revoked) != "ab" || v.Revoked[0].Status != revoked || v.Revoked[1].Status != revoked {
			t.Errorf("%+v", v)
		}
	})
	sh.step("again is no failure, and ends what can be ended", func(t *testing.T) {
		v := revoke(ids["a"], ids["c"], ids["b"])
		if names(v.Revoked) != "c" || names(v.Unchanged) != "ab" {
			t.Errorf("%+v", v)
		}
		sh.ok("revoke", ids["a"]).says("0 keys revoked, 1 end earlier")
		if v := revoke(ids["a"], "-in", "24h"); ends("a") != 0 || len(v.Revoked) != 0 {
			t.Errorf("a dead key was scheduled anew: %+v", v)
		}
	})
	sh.step("an id that no key has is a failure, after the others have been ended", func(t *testing.T) {
		r := sh.run("revoke", "-o", "json", "apk_nobody", ids["d"]).exits(exitFailed).says(`["apk_nobody"]`)
		if v := read[revocationView](r); names(v.Revoked) != "d" || fmt.Sprint(v.NotFound) != "[apk_nobody]" {
			t.Errorf("%+v", v)
		}
	})
	sh.step("all", func(t *testing.T) {
		if v := revoke("-all", "-in", "0h"); names(v.Revoked) != "ef" || v.RevokedAt != nil {
			t.Errorf("%+v", v)
		}
		if v := revoke("-all"); len(v.Revoked) != 0 {
			t.Errorf("%+v", v)
		}
	})
}

func TestRevokingMoreThanOneChangeTakes(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t)
	running := sh.instance()
	for range 2 {
		if _, err := running.keys.CreateMany(t.Context(), manyKeys(1000)); err != nil {
			t.Fatal(err)
		}
	}
	if v := read[revocationView](sh.ok("revoke", "-all", "-dry-run", "-o", "json").says("2000 keys", "1000")); len(v.Revoked) != 1000 {
		t.Errorf("%d keys are shown", len(v.Revoked))
	}
	if v := read[revocationView](sh.ok("revoke", "-all", "-yes", "-o", "json").says("2000 keys revoked")); len(v.Revoked) != 2000 {
		t.Errorf("%d keys, want 2000", len(v.Revoked))
	}
	if left := sh.list("-status", "active"); len(left) != 0 {
		t.Errorf("%d keys are alive", len(left))
	}
}

// A secret is in what create and roll print to standard output, and nowhere else: not in what else
// the program says, nor in the database.
func TestASecretIsShownOnce(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t, "LATCHKEY_PEPPERS", pepper1)
	made := sh.secret("canary")
	rolled := read[keyView](sh.ok("roll", made.ID, "-o", "json", "-grace", "1h"))
	plain := sh.ok("create", "-type", "secret", "-title", "in a table")
	sh.type_(made.Token, "verify").exits(exitOK)
	sh.type_(rolled.Token, "verify", "-o", "json").exits(exitOK)
	sh.type_(made.Token[:40], "verify").exits(exitFailed)
	sh.run("verify", made.Token).exits(exitUsage)
	sh.run("revoke", made.Token).exits(exitUsage)
	sh.run("revoke", made.Token[:30]).exits(exitUsage)
	sh.run("create", "-type", "secret", "-metadata", "old="+made.Token).exits(exitUsage)
	sh.run(made.Token).exits(exitUsage)
	sh.run("verify", "-"+made.Token).exits(exitUsage).says("leaked")
	token := filepath.Join(sh.dir, "token.txt")
	if err := os.WriteFile(token, []byte(made.Token+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sh.ok("verify", token)
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	sh.ok("list")
	sh.ok("list", "-o", "json")
	sh.ok("events", "-o", "json")
	sh.ok("peppers", "rotate")
	sh.ok("revoke", "-all", "-yes")
	sh.type_(made.Token, "verify", "-o", "json").exits(exitFailed)

	tokens := []string{made.Token, rolled.Token, plain.stdout[strings.Index(plain.stdout, "sk_"):][:52]}
	for i, token := range tokens {
		if _, err := store.ParseToken(token); err != nil {
			t.Fatalf("canary %d is no token", i)
		}
		shown := 0
		for _, r := range sh.said {
			secret := token[9:30] // of its random part, beyond what the redacted form shows
			if strings.Contains(r.stderr, secret) {
				t.Errorf("latchkey %s said a secret on standard error", r.args[0])
			}
			if strings.Contains(r.stdout, secret) {
				if shown++; r.args[0] != "create" && r.args[0] != "roll" {
					t.Errorf("latchkey %s printed a secret", r.args[0])
				}
			}
		}
		if shown != 1 {
			t.Errorf("canary %d was shown %d times", i, shown)
		}
	}
	files, err := filepath.Glob(strings.TrimPrefix(sh.env["DATABASE_URL"], "sqlite:") + "*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		bytes, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, token := range tokens {
			if strings.Contains(string(bytes), token[9:30]) {
				t.Errorf("canary %d is in %s", i, filepath.Base(file))
			}
		}
	}
}
