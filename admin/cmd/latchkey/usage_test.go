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
		for _, text := range []string{"Exit status: 0 done; 1 failed", "DATABASE_URL", "REDIS_URL", "LATCHKEY_PEPPERS", "LATCHKEY_NAMESPACE"} {
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
		args []string
		want string
	}{
		{nil, "Usage: latchkey COMMAND"},
		{[]string{"frobnicate"}, `there is no command "frobnicate"`},
		{[]string{"help", "frobnicate"}, `there is no command "frobnicate"`},
		{[]string{"create", "-frob"}, "flag provided but not defined: -frob"},
		{[]string{"create", "-type"}, "flag needs an argument: -type"},
		{[]string{"create", "-title", "x"}, "-type is required: secret or publishable"},
		{[]string{"create", "-type", "admin"}, `invalid value "admin" for flag -type: want secret or publishable`},
		{[]string{"create", "-type", "secret", "extra"}, `"extra": there are no arguments beside the flags`},
		{[]string{"create", "-type", "secret", "-expires-in", "90"}, `invalid value "90" for flag -expires-in: want a length of time with its unit`},
		{[]string{"create", "-type", "secret", "-expires-in", "-1h"}, "want a length between nothing and a hundred years"},
		{[]string{"create", "-type", "secret", "-expires-in", "40000d"}, "want a length of time"},
		{[]string{"create", "-type", "secret", "-expires-in", "99999999999999999999h"}, "want a length of time"},
		{[]string{"create", "-type", "secret", "-expires-at", "tomorrow"}, "want a time with its zone or a date"},
		{[]string{"create", "-type", "secret", "-expires-in", "1h", "-expires-at", "2190-01-01"}, "-expires-in and -expires-at: one of them, not both"},
		{[]string{"create", "-type", "secret", "-scope", ""}, "want a value"},
		{[]string{"create", "-type", "secret", "-cidr", "10.0.0.1/8"}, "did you mean 10.0.0.0/8?"},
		{[]string{"create", "-type", "secret", "-cidr", "here"}, "want a network or an address"},
		{[]string{"create", "-type", "secret", "-cidr", "fe80::1%eth0"}, "want a network or an address"},
		{[]string{"create", "-type", "secret", "-cidr", "fe80::1%eth0/64"}, "want a network or an address"},
		{[]string{"create", "-type", "secret", "-metadata", "x"}, "want name=value"},
		{[]string{"create", "-type", "secret", "-metadata", "a=1", "-metadata", "a=2"}, "this name is given twice"},
		{[]string{"create", "-type", "secret", "-expires-at", "2000-01-01"}, "-expires-at: the key would have ended already"},
		{[]string{"create", "-type", "secret", "-expires-in", "0"}, "the key would have ended already"},
		{[]string{"create", "-type", "secret", "-scope", "a b"}, `"a b": a scope is 1 to 100 visible ASCII characters`},
		{[]string{"create", "-type", "secret", "-channel", "sc_web"}, "Sales channels can only be associated with publishable API keys"},
		{[]string{"create", "-type", "secret", "-title", "\xff"}, "Field 'title' is not valid UTF-8"},
		{[]string{"create", "-type", "secret", "-rate", "5/0s"}, "want a length of time of at least a second"},
		{[]string{"create", "-type", "secret", "-actor", "\xff"}, "-actor is not valid UTF-8"},
		{[]string{"create", "-type", "secret", "-rate", "100"}, "want a number of requests and a length of time: 100/1m"},
		{[]string{"create", "-type", "secret", "-rate", "0/1m"}, "want a number of requests and a length of time: 100/1m"},
		{[]string{"create", "-type", "secret", "-namespace", "live"}, "would make tokens look like Stripe's"},
		{[]string{"create", "-type", "secret", "-namespace", "Acme"}, "is not of the form"},
		{[]string{"create", "-type", "secret", "-o", "xml"}, "want table or json"},
		{[]string{"create", "-type", "secret", "-actor", strings.Repeat("x", 256)}, "-actor is 256 bytes long"},
		{[]string{"create", "-type", "secret", "-redis-prefix", "{x}"}, "KeyPrefix"},
		{[]string{"create", "-type", "secret", "-database", "postgres://u:hunter2@:bad:/x"}, "-database cannot be parsed"},
		{[]string{"create", "-type", "secret", "-database", "mysql://u:hunter2@h/x"}, "-database must be sqlite:PATH or postgres://"},
		{[]string{"create", "-type", "secret", "-redis", "http://u:hunter2@h"}, "-redis must begin with redis://"},
		{[]string{"create", "-type", "secret", "-redis", "redis://h", "-without-redis"}, "-redis and -without-redis: one of them, not both"},
		{[]string{"list", "-database", "sqlite:" + filepath.Join(dir, "typo.db")}, "there is no file " + filepath.Join(dir, "typo.db")},
		{[]string{"list", "-limit", "-1"}, "-limit is negative"},
		{[]string{"list", "-limit", "x"}, `invalid value "x" for flag -limit`},
		{[]string{"list", "-status", "dead"}, "want active or revoked or expired"},
		{[]string{"list", "-q", " "}, `invalid value " " for flag -q: want a value`},
		{[]string{"list", "-q", strings.Repeat("x ", 301)}, "The filter holds more than 300 conditions"},
		{[]string{"list", id}, "there are no arguments beside the flags"},
		{[]string{"revoke"}, "which keys? Name their ids"},
		{[]string{"revoke", ""}, "an id is empty"},
		{[]string{"revoke", "-q", ""}, `invalid value "" for flag -q: want a value`},
		{[]string{"revoke", "-q", " \t"}, "for flag -q: want a value"},
		{[]string{"revoke", "-q", "", "-type", "secret"}, `invalid value "" for flag -q: want a value`},
		{[]string{"revoke", "-q", strings.Repeat("x ", 301)}, "The filter holds more than 300 conditions"},
		{[]string{"revoke", id, "-all"}, "ids or a filter: one of them, not both"},
		{[]string{"revoke", id, "-q", "x"}, "ids or a filter: one of them, not both"},
		{[]string{"revoke", id, "-in", "1h", "-at", "2190-01-01"}, "-in and -at: one of them, not both"},
		{[]string{"revoke", id, "-at", "2000-01-01"}, "-at is past"},
		{append([]string{"revoke"}, strings.Fields(strings.Repeat("x ", 1001))...), "at most 1000 keys can be named at once, got 1001"},
		{[]string{"roll"}, "want the id of one key, got 0 arguments"},
		{[]string{"roll", id, id}, "want the id of one key, got 2 arguments"},
		{[]string{"verify", "no-such-file"}, "no such file"},
		{[]string{"verify", "a", "b"}, "want one file"},
		{[]string{"verify"}, "there is no token on the first line"},
		{[]string{"events", "-since", "yesterday"}, "want a length of time with its unit"},
		{[]string{"events", "x"}, "there are no arguments beside the flags"},
		{[]string{"events", "-limit", "-1"}, "-limit is negative"},
		{[]string{"events", "-after", "-1"}, "-after is negative"},
		{[]string{"events", "-key", ""}, `invalid value "" for flag -key: want a value`},
		{[]string{"events", "-kind", "made"}, `invalid value "made" for flag -kind: want created or updated or revoked`},
		{[]string{"peppers", "turn"}, "want rotate, or nothing"},
		{[]string{"peppers", "-adopt"}, "-adopt goes with rotate"},
		{[]string{"peppers", "rotate"}, "there is no pepper to rotate to: set LATCHKEY_PEPPERS"},
		{[]string{"prune"}, "-older-than is required"},
		{[]string{"prune", "-older-than", "59m"}, "events of the last hour stay"},
		{[]string{"prune", "-older-than", "90"}, "want a length of time with its unit"},
		{[]string{"prune", "90d"}, "there are no arguments beside the flags"},
		{[]string{"migrate", "x"}, "there are no arguments beside the flags"},
		{[]string{"migrate", "-database", "postgres://u:hunter2@h/x?pool_max_conns=many"}, "pool_max_conns must be a whole number"},
		{[]string{"import"}, "from where? Give -from or set MEDUSA_DATABASE_URL: postgres://"},
		{[]string{"import", "-from", "sqlite:x.db"}, "-from: Medusa's database is a PostgreSQL one"},
		{[]string{"import", "-from", "postgres://u:hunter2@:bad:/x"}, "-from: cannot be parsed"},
		{[]string{"import", "-from", "postgres://u:hunter2@h/x", "-batch", "5000"}, "-batch must be between 1 and 1000"},
		{[]string{"import", "-from", "postgres://u:hunter2@h/x", "extra"}, "there are no arguments beside the flags"},
		{[]string{"scan-rules", "-format", "regex"}, "want gitleaks or trufflehog or github"},
		{[]string{"scan-rules", "-namespace", "A"}, "is not of the form"},
		{[]string{"scan-rules", "x"}, "there are no arguments beside the flags"},
	} {
		r := sh.run(c.args...).exits(exitUsage).says(c.want)
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
		newShell(t).run("list").exits(exitUsage).says("which database? Set DATABASE_URL or give -database")
	})
	t.Run("a bad one is named, and not shown", func(t *testing.T) {
		for name, value := range map[string]string{"DATABASE_URL": "hunter2", "REDIS_URL": "hunter2", "LATCHKEY_PEPPERS": "hunter2", "LATCHKEY_NAMESPACE": "Hunter2"} {
			sh := onSQLite(t, name, value)
			if r := sh.run("create", "-type", "secret").exits(exitUsage).says(name); strings.Contains(r.stderr, "hunter2") {
				t.Errorf("%s: %s", name, r.stderr)
			}
		}
		if r := onSQLite(t, "MEDUSA_DATABASE_URL", "hunter2").run("import").exits(exitUsage).says("MEDUSA_DATABASE_URL: must be"); strings.Contains(r.stderr, "hunter2") {
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
