package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHelp(t *testing.T) {
	t.Parallel()
	sh := newShell(t)
	for _, args := range [][]string{{"-h"}, {"help"}, {"--help"}} {
		out := sh.ok(args...).stdout
		for _, c := range commands() {
			if !strings.Contains(out, "\n  "+c.name) {
				t.Errorf("latchkey %s does not list %s", args[0], c.name)
			}
		}
		for _, text := range []string{"Exit status", "DATABASE_URL", "REDIS_URL", "LATCHKEY_PEPPERS", "LATCHKEY_NAMESPACE"} {
			if !strings.Contains(out, text) {
				t.Errorf("latchkey %s does not tell of %s", args[0], text)
			}
		}
	}
	for _, c := range commands() {
		t.Run(c.name, func(t *testing.T) {
			sh := newShell(t)
			out := sh.ok(c.name, "-h").stdout
			if !strings.HasPrefix(out, "Usage: latchkey "+c.name) || !strings.Contains(out, "\nFlags:\n") || !strings.Contains(out, "  latchkey "+c.name) {
				t.Errorf("want usage, an example and flags:\n%s", out)
			}
			if other := sh.ok("help", c.name).stdout; other != out {
				t.Errorf("latchkey help %s says something else", c.name)
			}
			if behind := sh.ok(c.name, "something", "-h").stdout; behind != out {
				t.Errorf("-h behind an argument: %s", behind)
			}
		})
	}
}

func TestWrongUsageIsToldAndDoesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	there := filepath.Join(dir, "there.db")
	sh := newShell(t, "DATABASE_URL", "sqlite:"+there)
	made := sh.secret("one")
	id := made.ID
	const hidden = "hunter2" // must not be repeated
	for _, c := range []struct {
		args  []string
		names string // words that the message has: what is wrong, and what is possible
	}{
		{nil, "Usage: COMMAND"},
		{[]string{"frobnicate"}, `"frobnicate"`},
		{[]string{"help", "frobnicate"}, `"frobnicate"`},
		{[]string{"create", "-frob"}, "-frob"},
		{[]string{"create", "-type"}, "-type"},
		{[]string{"create", "-title", "x"}, "-type secret publishable"},
		{[]string{"create", "-type", "admin"}, `"admin" -type secret publishable`},
		{[]string{"create", "-type", "secret", "extra"}, `"extra"`},
		{[]string{"create", "-type", "secret", "-expires-in", "90"}, `"90" -expires-in`},
		{[]string{"create", "-type", "secret", "-expires-in", "-1h"}, "-expires-in"},
		{[]string{"create", "-type", "secret", "-expires-in", "40000d"}, "-expires-in"},
		{[]string{"create", "-type", "secret", "-expires-in", "99999999999999999999h"}, "-expires-in"},
		{[]string{"create", "-type", "secret", "-expires-at", "tomorrow"}, "-expires-at"},
		{[]string{"create", "-type", "secret", "-expires-in", "1h", "-expires-at", "2190-01-01"}, "-expires-in -expires-at"},
		{[]string{"create", "-type", "secret", "-scope", ""}, "-scope"},
		{[]string{"create", "-type", "secret", "-cidr", "10.0.0.1/8"}, "-cidr 10.0.0.0/8"},
		{[]string{"create", "-type", "secret", "-cidr", "here"}, "-cidr"},
		{[]string{"create", "-type", "secret", "-cidr", "fe80::1%eth0"}, "-cidr"},
		{[]string{"create", "-type", "secret", "-cidr", "fe80::1%eth0/64"}, "-cidr"},
		{[]string{"create", "-type", "secret", "-metadata", "x"}, "-metadata"},
		{[]string{"create", "-type", "secret", "-metadata", "a=1", "-metadata", "a=2"}, "-metadata"},
		{[]string{"create", "-type", "secret", "-expires-at", "2000-01-01"}, "-expires-at"},
		{[]string{"create", "-type", "secret", "-expires-in", "0"}, "-expires-in"},
		{[]string{"create", "-type", "secret", "-scope", "a b"}, "'scopes'"},
		{[]string{"create", "-type", "secret", "-channel", "sc_web"}, "publishable"},
		{[]string{"create", "-type", "secret", "-title", "\xff"}, "'title'"},
		{[]string{"create", "-type", "secret", "-rate", "5/0s"}, "-rate"},
		{[]string{"create", "-type", "secret", "-actor", "\xff"}, "-actor"},
		{[]string{"create", "-type", "secret", "-rate", "100"}, "-rate 100/1m"},
		{[]string{"create", "-type", "secret", "-rate", "0/1m"}, "-rate 100/1m"},
		{[]string{"create", "-type", "secret", "-namespace", "live"}, "live"},
		{[]string{"create", "-type", "secret", "-namespace", "Acme"}, "-namespace"},
		{[]string{"create", "-type", "secret", "-o", "xml"}, "-o table json"},
		{[]string{"create", "-type", "secret", "-actor", strings.Repeat("x", 256)}, "-actor 256"},
		{[]string{"create", "-type", "secret", "-redis-prefix", "{x}"}, "KeyPrefix"},
		{[]string{"create", "-type", "secret", "-database", "postgres://u:hunter2@:bad:/x"}, "-database"},
		{[]string{"create", "-type", "secret", "-database", "mysql://u:hunter2@h/x"}, "-database sqlite: postgres://"},
		{[]string{"create", "-type", "secret", "-redis", "http://u:hunter2@h"}, "-redis redis://"},
		{[]string{"create", "-type", "secret", "-redis", "redis://h", "-without-redis"}, "-redis -without-redis"},
		{[]string{"list", "-database", "sqlite:" + filepath.Join(dir, "typo.db")}, filepath.Join(dir, "typo.db")},
		{[]string{"list", "-limit", "-1"}, "-limit"},
		{[]string{"list", "-limit", "x"}, `"x" -limit`},
		{[]string{"list", "-status", "dead"}, "-status active revoked expired"},
		{[]string{"list", "-q", " "}, "-q"},
		{[]string{"list", "-q", strings.Repeat("x ", 301)}, "300"},
		{[]string{"list", id}, id},
		{[]string{"revoke"}, "-all"},
		{[]string{"revoke", ""}, "id"},
		{[]string{"revoke", "-q", ""}, `"" -q`},
		{[]string{"revoke", "-q", " \t"}, "-q"},
		{[]string{"revoke", "-q", "", "-type", "secret"}, `"" -q`},
		{[]string{"revoke", "-yes", "-q", strings.Repeat("x ", 301)}, "300"},
		{[]string{"revoke", "-all"}, "-dry-run -yes"},
		{[]string{"revoke", "-q", "o"}, "-dry-run -yes"},
		{[]string{"revoke", "-title", "one", "-in", "1h"}, "-dry-run -yes"},
		{[]string{"revoke", "-type", "secret"}, "-dry-run -yes"},
		{[]string{"revoke", "-created-before", "2190-01-01"}, "-dry-run -yes"},
		{[]string{"revoke", "-created-after", "2000-01-01", "-yes=false"}, "-dry-run -yes"},
		{[]string{"revoke", id, "-all"}, "ids filter"},
		{[]string{"revoke", id, "-q", "x"}, "ids filter"},
		{[]string{"revoke", id, "-in", "1h", "-at", "2190-01-01"}, "-in -at"},
		{[]string{"revoke", id, "-at", "2000-01-01"}, "-at"},
		{append([]string{"revoke"}, strings.Fields(strings.Repeat("x ", 1001))...), "1000 1001"},
		{[]string{"roll"}, "id 0"},
		{[]string{"roll", id, id}, "id 2"},
		{[]string{"verify", "no-such-file"}, "no-such-file"},
		{[]string{"verify", "a", "b"}, "file"},
		{[]string{"verify"}, "token"},
		{[]string{"events", "-since", "yesterday"}, "-since"},
		{[]string{"events", "x"}, `"x"`},
		{[]string{"events", "-limit", "-1"}, "-limit"},
		{[]string{"events", "-after", "-1"}, "-after"},
		{[]string{"events", "-key", ""}, `"" -key`},
		{[]string{"events", "-kind", "made"}, `"made" -kind created updated revoked`},
		{[]string{"peppers", "turn"}, "rotate"},
		{[]string{"peppers", "-adopt"}, "-adopt rotate"},
		{[]string{"peppers", "rotate"}, "LATCHKEY_PEPPERS"},
		{[]string{"prune"}, "-older-than"},
		{[]string{"prune", "-older-than", "59m"}, "-older-than"},
		{[]string{"prune", "-older-than", "90"}, "-older-than"},
		{[]string{"prune", "90d"}, `"90d"`},
		{[]string{"migrate", "x"}, `"x"`},
		{[]string{"migrate", "-database", "postgres://u:hunter2@h/x?pool_max_conns=many"}, "pool_max_conns"},
		{[]string{"import"}, "-from MEDUSA_DATABASE_URL"},
		{[]string{"import", "-from", "sqlite:x.db"}, "-from PostgreSQL"},
		{[]string{"import", "-from", "postgres://u:hunter2@:bad:/x"}, "-from"},
		{[]string{"import", "-from", "postgres://u:hunter2@h/x", "-batch", "5000"}, "-batch 1 1000"},
		{[]string{"import", "-from", "postgres://u:hunter2@h/x", "extra"}, `"extra"`},
		{[]string{"scan-rules", "-format", "regex"}, "-format gitleaks trufflehog github"},
		{[]string{"scan-rules", "-namespace", "A"}, "-namespace"},
		{[]string{"scan-rules", "x"}, `"x"`},
	} {
		r := sh.run(c.args...).exits(exitUsage).says(strings.Fields(c.names)...)
		if len(c.args) > 0 && r.args[0] != "frobnicate" && r.args[0] != "help" && !strings.HasSuffix(r.stderr, "\nSee: latchkey "+c.args[0]+" -h\n") {
			t.Errorf("latchkey %v does not say where to look:\n%s", c.args, r.stderr)
		}
		if strings.Contains(r.stderr, hidden) || r.stdout != "" {
			t.Errorf("latchkey %v: %s%s", c.args, r.stdout, r.stderr)
		}
	}
	if events := read[[]eventView](sh.ok("events", "-o", "json")); len(events) != 1 {
		t.Errorf("wrong usage wrote %+v", events[1:])
	}
	if files, _ := os.ReadDir(dir); len(files) == 0 || strings.Contains(files[len(files)-1].Name(), "typo") {
		t.Errorf("a database was made: %v", files)
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	t.Run("no database", func(t *testing.T) {
		newShell(t).run("list").exits(exitUsage).says("DATABASE_URL", "-database")
	})
	t.Run("a bad one is named, and not shown", func(t *testing.T) {
		for name, value := range map[string]string{"DATABASE_URL": "hunter2", "REDIS_URL": "hunter2", "LATCHKEY_PEPPERS": "hunter2", "LATCHKEY_NAMESPACE": "Hunter2"} {
			sh := onSQLite(t, name, value)
			if r := sh.run("create", "-type", "secret").exits(exitUsage).says(name); strings.Contains(r.stderr, "hunter2") {
				t.Errorf("%s: %s", name, r.stderr)
			}
		}
		if r := onSQLite(t, "MEDUSA_DATABASE_URL", "hunter2").run("import").exits(exitUsage).says("MEDUSA_DATABASE_URL"); strings.Contains(r.stderr, "hunter2") {
			t.Errorf("MEDUSA_DATABASE_URL: %s", r.stderr)
		}
	})
	t.Run("flags come first", func(t *testing.T) {
		sh := newShell(t, "DATABASE_URL", "hunter2", "REDIS_URL", "hunter2", "LATCHKEY_NAMESPACE", "acme")
		file := "sqlite:" + filepath.Join(t.TempDir(), "keys.db")
		made := sh.create("-type", "secret", "-database", file, "-without-redis")
		if !strings.HasPrefix(made.Token, "sk_acme_") {
			t.Errorf("%+v", made.Redacted)
		}
		if made = sh.create("-type", "secret", "-database", file, "-without-redis", "-namespace", ""); strings.HasPrefix(made.Token, "sk_acme_") {
			t.Errorf("%+v", made.Redacted)
		}
	})
}
