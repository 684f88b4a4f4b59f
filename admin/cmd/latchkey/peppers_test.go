package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

func TestRotatingPeppers(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, sh *shell) {
		sh.env["LATCHKEY_PEPPERS"] = pepper1
		var tokens []string
		keys := sh.instance(pepper1).keys
		for range 150 { // more than a batch
			tokens = append(tokens, "")
		}
		made, err := keys.CreateMany(t.Context(), manyKeys(len(tokens)))
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range made {
			tokens[i] = m.Token.Reveal()
		}
		dead := sh.secret("dead")
		sh.ok("revoke", dead.ID)
		works := func(peppers string, want error) {
			t.Helper()
			running := sh.instance(strings.Split(peppers, ",")...)
			for _, token := range tokens {
				if err := running.authenticate(token); !errors.Is(err, want) {
					t.Fatalf("with peppers %s: %v, want %v", ids(t, peppers), err, want)
				}
			}
			if err := running.authenticate(dead.Token); err == nil {
				t.Error("a revoked key has come back to life")
			}
		}
		counts := func(peppers string) string {
			t.Helper()
			sh.env["LATCHKEY_PEPPERS"] = peppers
			return fmt.Sprint(read[peppersView](sh.ok("peppers", "-o", "json")).Peppers)
		}
		id1, id2 := ids(t, pepper1), ids(t, pepper2)
		works(pepper1, nil)
		works(pepper1+","+pepper2, nil) // every instance learns the new one first
		works(pepper2+","+pepper1, nil)
		if got, want := counts(pepper2+","+pepper1), fmt.Sprintf("[{%s true true 0 0} {%s false true 151 0}]", id2, id1); got != want {
			t.Errorf("before: %s, want %s", got, want)
		}

		during := sh.instance(pepper1, pepper2) // one that has not been told yet which of them is current
		r := sh.ok("peppers", "rotate", "-o", "json").says("100 of 151 keys", "151 of 151 keys", "\n151 keys ")
		if v := read[peppersView](r); *v.Resealed != 151 || fmt.Sprint(v.Peppers) != fmt.Sprintf("[{%s true true 151 0} {%s false true 0 0}]", id2, id1) {
			t.Errorf("%+v", v)
		}
		for _, token := range tokens {
			if err := during.authenticate(token); err != nil {
				t.Fatalf("an instance that ran through the rotation: %v", err)
			}
		}
		works(pepper2+","+pepper1, nil)
		works(pepper2, nil) // the old one can go
		works(pepper1, store.ErrForged)
		sh.env["LATCHKEY_PEPPERS"] = pepper2
		sh.ok("peppers", "rotate").says("0 keys").prints("PEPPER KEYS REFUSED\n" + id2 + " 151 0 current\n")
		events := read[[]eventView](sh.ok("events", "-o", "json", "-kind", "resealed", "-limit", "0"))
		if len(events) != 151 || !strings.HasPrefix(events[0].Actor, "cli:") {
			t.Errorf("%d events of rotation, want 151", len(events))
		}
	})
}

func manyKeys(n int) []store.NewKey {
	all := make([]store.NewKey, n)
	for i := range all {
		all[i] = store.NewKey{Type: store.Secret, Title: fmt.Sprint("key ", i)}
	}
	return all
}

// ids returns the id of the first of the peppers.
func ids(t *testing.T, peppers string) string {
	t.Helper()
	s, err := store.NewSealer(strings.Split(peppers, ","))
	if err != nil {
		t.Fatal(err)
	}
	return s.PepperID()
}

func TestIntroducingPeppers(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t)
	made := sh.secret("before")
	sh.env["LATCHKEY_PEPPERS"] = pepper1
	sh.run("peppers", "rotate").exits(exitFailed).
		says("1 keys", "-adopt").
		prints("PEPPER KEYS REFUSED\n" + ids(t, pepper1) + " 0 0 current\nnone 1 1 keys without a proof\n")
	sh.type_(made.Token, "verify").exits(exitFailed).says("proof")
	sh.ok("peppers", "rotate", "-adopt").prints("PEPPER KEYS REFUSED\n" + ids(t, pepper1) + " 1 0 current\n")
	sh.type_(made.Token, "verify").exits(exitOK)
}

func TestPeppersThatAreNotThoseOfTheKeys(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t, "LATCHKEY_PEPPERS", pepper1)
	made := sh.secret("sealed")
	for _, peppers := range []string{"", pepper2} {
		sh.env["LATCHKEY_PEPPERS"] = peppers
		for _, args := range [][]string{{"create", "-type", "secret"}, {"revoke", "-in", "24h", made.ID}, {"roll", made.ID}, {"import", "-from", "postgres://h/x", "-dry-run"}} {
			sh.run(args...).exits(exitUsage).says("pepper", "LATCHKEY_PEPPERS")
		}
		sh.type_(made.Token, "verify").exits(exitUsage).says("pepper", "LATCHKEY_PEPPERS")
		sh.ok("list")
		sh.ok("events")
	}
	sh.ok("peppers").prints("PEPPER KEYS REFUSED\n" + ids(t, pepper2) + " 0 0 current\n" + ids(t, pepper1) + " 1 1 not in LATCHKEY_PEPPERS\n")
	sh.run("peppers", "rotate").exits(exitFailed).says("1 keys")
	sh.env["LATCHKEY_PEPPERS"] = pepper2 + "," + pepper1
	sh.ok("peppers").prints("PEPPER KEYS REFUSED\n" + ids(t, pepper2) + " 0 0 current\n" + ids(t, pepper1) + " 1 0 configured\n")
	sh.ok("peppers", "rotate").prints("PEPPER KEYS REFUSED\n" + ids(t, pepper2) + " 1 0 current\n" + ids(t, pepper1) + " 0 0 configured, no longer needed\n")
	if got := sh.titles("-status", "active"); got != "sealed" {
		t.Errorf("alive: %q", got)
	}

	t.Run("the newest keys tell too, when the oldest are from before there were peppers", func(t *testing.T) {
		sh := onSQLite(t)
		if _, err := sh.instance().keys.CreateMany(t.Context(), manyKeys(30)); err != nil {
			t.Fatal(err)
		}
		sh.env["LATCHKEY_PEPPERS"] = pepper1
		sh.secret("sealed")
		sh.env["LATCHKEY_PEPPERS"] = ""
		sh.run("create", "-type", "secret").exits(exitUsage).says("pepper", "LATCHKEY_PEPPERS")
	})
	sh.step("one key that somebody has planted stops nobody", func(t *testing.T) {
		other := onSQLite(t)
		other.env["DATABASE_URL"] = sh.env["DATABASE_URL"]
		sealer, err := store.NewSealer([]string{"Another9Pepper8That7Nobody6Knows5"})
		if err != nil {
			t.Fatal(err)
		}
		rows := other.rows()
		_, err = rows.Change(t.Context(), store.Actor{}, func(tx store.Tx) error {
			r := &store.Record{Key: store.Key{ID: "apk_planted", Type: store.Secret, Version: 1}}
			sealer.Seal(r)
			return tx.Insert(t.Context(), r, store.Event{Kind: store.Created})
		})
		if err != nil {
			t.Fatal(err)
		}
		sh.ok("revoke", "apk_planted")
		sh.ok("revoke", made.ID)
	})
}
