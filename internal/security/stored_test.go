package security_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

// row is a row of latchkey_key, by column.
type row map[string]any

// rowsOf returns all rows of a table.
func rowsOf(t *testing.T, w *world, table string) []row {
	t.Helper()
	rows, err := w.db.QueryContext(t.Context(), "SELECT * FROM "+table)
	w.must(err)
	defer rows.Close()
	names, err := rows.Columns()
	w.must(err)
	var all []row
	for rows.Next() {
		values := make([]any, len(names))
		for i := range values {
			values[i] = new(any)
		}
		w.must(rows.Scan(values...))
		r := row{}
		for i, name := range names {
			r[name] = *values[i].(*any)
		}
		all = append(all, r)
	}
	w.must(rows.Err())
	return all
}

func text(v any) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(v)
}

// Of a secret, the tables hold the lookup id, the proof and Medusa's redacted form. Two keys that
// differ in nothing but their secret differ in nothing else; whatever else were kept of it would
// show.
func TestRequirement03OfASecretOnlyItsLookupIDAndProofAreStored(t *testing.T) {
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			dsn, _ := d.open(t)
			w := newWorld(t, dsn)
			made, err := w.keys.CreateMany(t.Context(), []store.NewKey{{Type: store.Secret, Title: "same"}, {Type: store.Secret, Title: "same"}})
			w.must(err)
			byID := map[string]row{}
			for _, r := range rowsOf(t, w, "latchkey_key") {
				byID[text(r["id"])] = r
			}
			a, b := byID[made[0].Key.ID], byID[made[1].Key.ID]
			var differ []string
			for name := range a {
				if text(a[name]) != text(b[name]) {
					differ = append(differ, name)
				}
			}
			slices.Sort(differ)
			if want := []string{"id", "lookup_id", "proof", "redacted", "search"}; !slices.Equal(differ, want) {
				t.Errorf("columns %q differ, want %q", differ, want)
			}
			for _, m := range made {
				r, token := byID[m.Key.ID], m.Token.Reveal()
				digest := sha256.Sum256([]byte("latchkey/lookup/1\x00" + token))
				if text(r["lookup_id"]) != string(digest[:]) {
					t.Errorf("lookup_id is %x, want %x", r["lookup_id"], digest)
				}
				if len(text(r["proof"])) != sha256.Size || text(r["redacted"]) != token[:6]+"***"+token[len(token)-3:] || text(r["search"]) != "same\n"+strings.ToLower(text(r["redacted"])) {
					t.Errorf("proof %x, redacted %s, search %q", r["proof"], r["redacted"], r["search"])
				}
			}
			for _, e := range rowsOf(t, w, "latchkey_event") {
				if id := text(e["lookup_id"]); len(id) != sha256.Size {
					t.Errorf("an event holds %q", id)
				}
			}

			t.Run("and in Redis the same", func(t *testing.T) {
				w.eventually("Redis has both", func() bool {
					for _, m := range made {
						if _, err := w.keys.Authenticate(t.Context(), m.Token.Reveal()); err != nil {
							t.Fatal(err)
						}
					}
					return len(entriesOf(t, w)) >= 2
				})
				for _, m := range made {
					at, entry := "", ""
					for key, value := range entriesOf(t, w) {
						if strings.HasSuffix(key, entryName(m)) {
							at, entry = key, value
						}
					}
					if at == "" {
						t.Fatalf("no entry of Redis is that of %s", m.Key.ID)
					}
					// What is in the entry beside what is in the row: the feed's position,
					// deadline, MAC.
					for name, part := range map[string]string{"id": m.Key.ID, "redacted": m.Token.Redacted(), "proof": text(byID[m.Key.ID]["proof"])} {
						if !strings.Contains(entry, part) {
							t.Errorf("%s is not in the entry: this test does not look where it should", name)
						}
					}
					if strings.Contains(at+entry, m.Token.Reveal()[6:20]) {
						t.Errorf("the secret is in Redis: %q %q", at, entry)
					}
				}
			})
			t.Run("and imported secrets lose what Medusa kept of them with their first use", func(t *testing.T) {
				token := "sk_" + strings.Repeat("5ca1ab1e", 8)
				importLegacy(t, w, "apk_legacy", token)
				if before := find(t, w, "apk_legacy"); before["lookup_id"] != nil || len(text(before["legacy_hash"])) != 64 {
					t.Errorf("before: %v", before)
				}
				if _, err := w.keys.Authenticate(t.Context(), token); err != nil {
					t.Fatal(err)
				}
				w.eventually("the row is upgraded", func() bool { return find(t, w, "apk_legacy")["lookup_id"] != nil })
				after := find(t, w, "apk_legacy")
				if hash, _ := after["legacy_hash"].([]byte); len(bytes.TrimSpace(hash)) != 0 || text(after["legacy_salt"]) != "" {
					t.Errorf("after: %v", after)
				}
			})
		})
	}
}

func find(t *testing.T, w *world, id string) row {
	t.Helper()
	for _, r := range rowsOf(t, w, "latchkey_key") {
		if text(r["id"]) == id {
			return r
		}
	}
	t.Fatalf("no row %s", id)
	return nil
}

// entriesOf returns what Redis holds of keys.
func entriesOf(t *testing.T, w *world) map[string]string {
	t.Helper()
	all := map[string]string{}
	names, err := w.rdb.Keys(context.Background(), "*:e:*").Result()
	w.must(err)
	for _, name := range names {
		all[name] = w.rdb.Get(context.Background(), name).Val()
	}
	return all
}
