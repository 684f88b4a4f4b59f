package security_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// goldenPowers are the columns of f8ca000 that give a key its power, or prove it. value is what a
// column says of a key: equal exactly when two of them mean the same. take copies it from another
// key.
var goldenPowers = []struct {
	column string
	value  func(goldenKey) string
	take   func(to, from *store.Key)
}{
	{"id", func(k goldenKey) string { return k.ID },
		func(to, from *store.Key) { to.ID = from.ID }},
	{"lookup_id", func(k goldenKey) string { return k.LookupID },
		func(to, from *store.Key) { to.LookupID = from.LookupID }},
	{"type", func(k goldenKey) string { return k.Type },
		func(to, from *store.Key) { to.Type = from.Type }},
	{"scopes", func(k goldenKey) string { return fmt.Sprintf("%#v", k.Scopes) },
		func(to, from *store.Key) { to.Scopes = from.Scopes }},
	{"sales_channel_ids", func(k goldenKey) string { return fmt.Sprintf("%#v", k.SalesChannelIDs) },
		func(to, from *store.Key) { to.SalesChannelIDs = from.SalesChannelIDs }},
	// No networks and an empty list of them mean the same, from anywhere; the proof does not
	// differ.
	{"allowed_cidrs", func(k goldenKey) string { return fmt.Sprint(k.AllowedCIDRs) },
		func(to, from *store.Key) { to.AllowedCIDRs = from.AllowedCIDRs }},
	{"rate_requests", func(k goldenKey) string { return fmt.Sprint(k.RateRequests) },
		func(to, from *store.Key) { to.RateLimit.Requests = from.RateLimit.Requests }},
	{"rate_window", func(k goldenKey) string { return k.RateWindow },
		func(to, from *store.Key) { to.RateLimit.Window = from.RateLimit.Window }},
	{"expires_at", func(k goldenKey) string { return k.ExpiresAt },
		func(to, from *store.Key) { to.ExpiresAt = from.ExpiresAt }},
	{"revoked", func(k goldenKey) string { return fmt.Sprint(k.Revoked) },
		func(to, from *store.Key) { to.Revoked = from.Revoked }},
	{"revoked_at", func(k goldenKey) string { return k.RevokedAt },
		func(to, from *store.Key) { to.RevokedAt = from.RevokedAt }},
	{"proof", func(k goldenKey) string { return map[bool]string{true: k.ID}[k.Pepper != ""] },
		func(_, _ *store.Key) {}},
	{"pepper_id", func(k goldenKey) string { return k.Pepper },
		func(_, _ *store.Key) {}},
	{"legacy_salt", func(k goldenKey) string { return k.LegacySalt },
		func(_, _ *store.Key) {}},
	{"legacy_hash", func(k goldenKey) string { return k.LegacyHash },
		func(_, _ *store.Key) {}},
}

// forgery is a golden database that is written to behind the back of the store.
type forgery struct {
	t    *testing.T
	g    *golden
	db   *sql.DB
	rows store.Store
	keys *store.Keys
}

func (g *golden) forge(t *testing.T, database string) *forgery {
	t.Helper()
	f := &forgery{t: t, g: g}
	f.db, f.rows = g.load(t, database)
	f.keys = g.verbs(t, f.rows)
	f.exec("CREATE TABLE golden_copy AS SELECT * FROM latchkey_key")
	return f
}

func (f *forgery) exec(statement string) {
	f.t.Helper()
	if _, err := f.db.ExecContext(f.t.Context(), statement); err != nil {
		f.t.Fatalf("%s: %v", statement, err)
	}
}

// judge asks for a token whose row is a forgery or, when forged is false, means what it meant. want
// is what the row says.
func (f *forgery) judge(what string, k goldenKey, want store.Key, forged bool) {
	f.t.Helper()
	got, err := f.keys.Authenticate(f.t.Context(), k.Token)
	what = fmt.Sprintf("%s: %s", k.Name, what)
	switch {
	case f.g.kind == "peppers" && forged:
		// Another type, and a candidate of Medusa's that is forged, are as good as not there.
		if !errors.Is(err, store.ErrForged) && !errors.Is(err, store.ErrUnknownToken) {
			f.t.Errorf("%s: %+v, %v; want a refusal", what, got, err)
		}
	case want.Type != store.Type(k.Type):
		if !errors.Is(err, store.ErrUnknownToken) {
			f.t.Errorf("%s: %+v, %v; want an unknown token", what, got, err)
		}
	default: // without peppers, what the row says is believed
		if expected := want.Check(time.Now()); !errors.Is(err, expected) {
			f.t.Errorf("%s: %v, want %v", what, err, expected)
		} else if err == nil {
			sameKey(f.t, what, *got, want)
		}
	}
}

// In f8ca000's rows each attribute that gives power is stripped, added and changed by SQL, in every
// row, to what other rows have there. With peppers no such key authenticates. Without, the row is
// believed, as docs/security.md says.
func TestRequirement33GoldenRowsThatWereAlteredMore(t *testing.T) {
	const values = 4 // of each column that are put into all rows
	eachGolden(t, func(t *testing.T, g *golden, database string) {
		f := g.forge(t, database)
		altered := map[string]int{}
		for _, p := range goldenPowers {
			if p.column == "id" || p.column == "lookup_id" {
				continue // of which there cannot be two; swapped below
			}
			set := func(what, value, means string, from store.Key) {
				t.Helper()
				f.exec(fmt.Sprintf("UPDATE latchkey_key SET %s = %s", p.column, value))
				for _, k := range g.Keys {
					forged := p.value(k) != means
					if k.LookupID == "" && (!forged || g.kind == "plain") {
						continue // imported and unused: a use would change the row
					}
					want := k.key(t)
					p.take(&want, &from)
					if forged {
						altered[p.column]++
					}
					f.judge(fmt.Sprintf("%s as %s", p.column, what), k, want, forged)
				}
				f.exec(fmt.Sprintf(`UPDATE latchkey_key SET %[1]s =
					(SELECT c.%[1]s FROM golden_copy c WHERE c.id = latchkey_key.id)`, p.column))
			}
			var seen []string
			for _, k := range g.Keys {
				if len(seen) < values && !slices.Contains(seen, p.value(k)) {
					seen = append(seen, p.value(k))
					set("in "+k.Name, valueOf(p.column, k), p.value(k), k.key(t))
				}
			}
			switch p.column {
			case "scopes", "sales_channel_ids", "allowed_cidrs": // another spelling of NULL
				set("JSON's null", "'null'", p.value(goldenKey{}), store.Key{})
			case "proof", "pepper_id":
				if g.kind == "peppers" {
					set("none", map[string]string{"proof": "NULL", "pepper_id": "''"}[p.column], "", store.Key{})
				}
			}
			proves := p.column == "proof" || p.column == "pepper_id"
			if g.kind == "peppers" && altered[p.column] < 50 || len(seen) < 2 && !proves {
				t.Errorf("%s was altered in %d rows only, to %d values", p.column, altered[p.column], len(seen))
			}
		}
		for _, names := range []string{`["created_by"]`, `[]`, `["later"]`} {
			f.exec("UPDATE latchkey_key SET proof_names = '" + names + "'")
			for _, k := range g.Keys {
				switch {
				case names == `["later"]`: // sealed by a program that is newer than this one, it says
					if _, err := f.keys.Authenticate(t.Context(), k.Token); k.LookupID != "" && !errors.Is(err, store.ErrUnknownToken) &&
						(!errors.Is(err, store.ErrNewerRecord) || !errors.Is(err, store.ErrUnavailable)) {
						t.Errorf("%s: proof_names as %s: %v", k.Name, names, err)
					}
				case k.LookupID != "" || g.kind == "peppers":
					f.judge("proof_names as "+names, k, k.key(t), true)
				}
			}
		}
		f.exec("UPDATE latchkey_key SET proof_names = NULL, created_by = 'somebody else'") // not covered in these rows
		for _, k := range g.Keys {
			if want := k.key(t); k.LookupID != "" {
				want.CreatedBy = "somebody else"
				f.judge("created_by changed", k, want, false)
			}
		}
		f.exec("UPDATE latchkey_key SET created_by = (SELECT c.created_by FROM golden_copy c WHERE c.id = latchkey_key.id)")
		for _, k := range g.Keys { // all is as it was
			if k.LookupID != "" {
				answered(t, f.keys, &k, k.key(t))
			}
		}
	})
}

// Two of f8ca000's rows exchange what gives them power: one column at a time, and then all but what
// they are found by, with their proofs and without. With peppers neither token authenticates any
// more.
func TestRequirement33GoldenRowsThatWereSwappedMore(t *testing.T) {
	eachGolden(t, func(t *testing.T, g *golden, database string) {
		f := g.forge(t, database)
		named := func(name string) goldenKey {
			i := slices.IndexFunc(g.Keys, func(k goldenKey) bool { return k.Name == name })
			if i < 0 {
				t.Fatalf("no golden key is %q", name)
			}
			return g.Keys[i]
		}
		var single, power, proved [][]string
		for _, p := range goldenPowers {
			single = append(single, []string{p.column})
		}
		power = [][]string{{
			"scopes", "sales_channel_ids", "allowed_cidrs", "rate_requests", "rate_window",
			"expires_at", "revoked", "revoked_at",
		}}
		proved = [][]string{append(slices.Clone(power[0]), "proof", "pepper_id")}
		for _, pair := range [][2]string{
			{"everything, secret", "everything, other values, secret"},
			{"everything, publishable", "everything, other values, publishable"},
			{"everything, secret", "nothing, secret"},
			{"everything, publishable", "nothing, publishable"},
			{"everything, secret", "everything, publishable"},
			{"older, everything, secret", "everything, other values, secret"},
			{"older, everything, secret", "older, nothing, secret"},
			{"everything, revoked, secret", "nothing, secret"},
			{"everything, expired, publishable", "everything, publishable"},
			{"revocation scheduled, secret", "nothing, secret"},
			{"resealed, secret", "older, then updated, secret"},
			{"imported, used", "nothing, secret"},
		} {
			a, b := named(pair[0]), named(pair[1])
			for _, columns := range slices.Concat(single, power, proved) {
				f.swap(a, b, columns)
			}
		}

		t.Run("imported keys that were never used", func(t *testing.T) {
			f.t = t
			a, b := named("imported, unused, a twin's redacted form"), named("imported, unused, the same redacted form")
			for _, columns := range [][]string{{"legacy_salt"}, {"legacy_hash"}, {"legacy_salt", "legacy_hash"}} {
				f.exchange(a, b, columns)
				for _, pair := range [][2]goldenKey{{a, b}, {b, a}} {
					keys := g.verbs(t, f.rows)
					key, err := keys.Authenticate(t.Context(), pair[0].Token)
					switch {
					case g.kind == "plain" && len(columns) == 2: // then it is the other key's token
						if err != nil || key.ID != pair[1].ID {
							t.Errorf("%s: %v swapped: %+v, %v", pair[0].Name, columns, key, err)
						}
					case !errors.Is(err, store.ErrUnknownToken):
						t.Errorf("%s: %v swapped: %+v, %v", pair[0].Name, columns, key, err)
					}
					if err := keys.Close(context.Background()); err != nil { // waits for an upgrade
						t.Fatal(err)
					}
				}
				f.exchange(a, b, nil)
			}
		})
	})
}

// valueOf is what a key has in a column, as f8ca000 left it.
func valueOf(column string, k goldenKey) string {
	return fmt.Sprintf("(SELECT c.%s FROM golden_copy c WHERE c.id = '%s')", column, k.ID)
}

// exchange puts both rows where they were, with those columns exchanged.
func (f *forgery) exchange(a, b goldenKey, columns []string) {
	f.t.Helper()
	f.exec(fmt.Sprintf("DELETE FROM latchkey_key WHERE id IN ('%s', '%s')", a.ID, b.ID))
	rows, err := f.db.QueryContext(f.t.Context(), "SELECT * FROM golden_copy WHERE 1 = 0")
	if err != nil {
		f.t.Fatal(err)
	}
	names, err := rows.Columns()
	if err := errors.Join(err, rows.Err(), rows.Close()); err != nil {
		f.t.Fatal(err)
	}
	for _, pair := range [][2]goldenKey{{a, b}, {b, a}} {
		values := make([]string, len(names))
		for i, name := range names {
			from := pair[0]
			if slices.Contains(columns, name) {
				from = pair[1]
			}
			values[i] = valueOf(name, from)
		}
		f.exec("INSERT INTO latchkey_key (" + strings.Join(names, ", ") + ") SELECT " + strings.Join(values, ", "))
	}
}

// swap exchanges columns between two rows, asks for both tokens and puts back what was.
func (f *forgery) swap(a, b goldenKey, columns []string) {
	f.t.Helper()
	after := map[string]store.Key{} // by what they are found by
	forged := false
	for _, pair := range [][2]goldenKey{{a, b}, {b, a}} {
		key := pair[0].key(f.t)
		for _, p := range goldenPowers {
			if slices.Contains(columns, p.column) {
				from := pair[1].key(f.t)
				p.take(&key, &from)
				forged = forged || p.value(a) != p.value(b)
			}
		}
		after[fmt.Sprintf("%x", key.LookupID[:])] = key
	}
	if !forged {
		return
	}
	f.exchange(a, b, columns)
	f.judge(fmt.Sprintf("%v swapped with %s", columns, b.Name), a, after[a.LookupID], true)
	f.judge(fmt.Sprintf("%v swapped with %s", columns, a.Name), b, after[b.LookupID], true)
	f.exchange(a, b, nil)
}
