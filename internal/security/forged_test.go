package security_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/scrypt"

	"github.com/latchkey-go/latchkey/store"
)

// importLegacy puts a secret key of Medusa into the store, as it is stored there.
func importLegacy(t *testing.T, w *world, id, token string) {
	t.Helper()
	salt, hash := legacy(t, token)
	_, err := w.keys.Import(t.Context(), []store.ImportKey{{
		Key:  store.Key{ID: id, Type: store.Secret, Redacted: token[:6] + "***" + token[len(token)-3:], CreatedAt: store.TimeOf(time.Now())},
		Salt: salt, Hash: hash,
	}}, false)
	w.must(err)
}

func legacy(t *testing.T, token string) (salt string, hash []byte) {
	t.Helper()
	salt = hex.EncodeToString([]byte("0123456789abcdef"))
	hash, err := scrypt.Key([]byte(token), []byte(salt), 16384, 8, 1, 64)
	if err != nil {
		t.Fatal(err)
	}
	return salt, hash
}

// Somebody writes into the table with SQL. Each column of a row in turn is given another value that
// the database takes; then the token is asked for. What gives power is refused, with an alarm; what
// describes changes nothing about the key's power.
func TestRequirement05RowsWrittenIntoTheDatabaseNeverAuthenticate(t *testing.T) {
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			dsn, _ := d.open(t)
			w := newWorld(t, dsn)
			sqlite := strings.HasPrefix(dsn, "sqlite:")
			boolean := map[bool]string{true: "1 - revoked", false: "NOT revoked"}[sqlite]
			moment := map[bool]string{true: "%d", false: "to_timestamp(%d / 1000.0)"}[sqlite]
			bytesOf := map[bool]string{true: "x'%x'", false: `'\x%x'`}[sqlite]
			later := fmt.Sprintf(moment, time.Now().Add(1000*time.Hour).UnixMilli())
			// What each column is changed to, and whether the key must then be refused (true) or is
			// as good as before.
			columns := []struct {
				column, value string
				refused       bool
			}{
				{"id", "'apk_forged'", true}, {"type", "'publishable'", true}, {"lookup_id", fmt.Sprintf(bytesOf, [32]byte{1}), true},
				{"scopes", `'["orders:read","orders:write"]'`, true}, {"scopes", "NULL", true}, {"scopes", "'[]'", true},
				{"sales_channel_ids", `'["sc_1"]'`, true}, {"allowed_cidrs", `'["0.0.0.0/0"]'`, true}, {"allowed_cidrs", "NULL", true},
				{"rate_requests", "1000000", true}, {"rate_window", "1000000000", true}, {"expires_at", later, true}, {"expires_at", "NULL", true},
				{"revoked", boolean, true}, {"revoked_at", "NULL", true}, {"revoked_at", later, true},
				{"proof", fmt.Sprintf(bytesOf, [32]byte{1}), true}, {"proof", "NULL", true}, {"pepper_id", "''", true}, {"pepper_id", "'0123456789ab'", true},
				{"legacy_salt", "'00'", true}, {"legacy_hash", fmt.Sprintf(bytesOf, make([]byte, 64)), true},
				{"title", "'forged'", false}, {"redacted", "'sk_for***ged'", false}, {"metadata", `'{"role":"admin"}'`, false}, {"created_by", "'forged'", true},
				{"proof_names", "NULL", true}, {"proof_names", "'[]'", true}, {"proof_names", `'["created_by","created_by"]'`, true}, {"description", "'forged'", false},
				{"created_at", later, false}, {"updated_at", later, false}, {"revoked_by", "'forged'", false}, {"rolled_from", "'forged'", false},
				{"version", "99", false}, {"search", "'forged'", false}, {"last_used_at", later, false}, {"token", "'pk_forged'", false},
			}
			tried := map[string]bool{}
			for n, c := range columns {
				tried[c.column] = true
				// A key that may be used, unless the column speaks of the end of keys: then one
				// that may not.
				made, err := w.keys.Create(t.Context(), store.NewKey{
					Type: store.Secret, Title: fmt.Sprint(n), Scopes: []string{"orders:read"}, AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
					RateLimit: store.RateLimit{Requests: 5, Window: time.Minute}, ExpiresAt: time.Now().Add(time.Duration(w.ahead.Load()) + time.Hour),
				})
				w.must(err)
				if c.column == "revoked_at" {
					_, err := w.keys.RevokeAt(t.Context(), made.Key.ID, w.keys.Now().Add(time.Minute))
					w.must(err)
				}
				_, err = w.db.ExecContext(t.Context(), fmt.Sprintf("UPDATE latchkey_key SET %s = %s WHERE title = '%d'", c.column, c.value, n))
				w.must(err)
				var log lockedBuffer
				fresh, err := store.Options{Sealer: w.sealer, FlushInterval: -1, Logger: newLogger(&log)}.New(w.rows) // past all caches
				w.must(err)
				key, err := fresh.Authenticate(t.Context(), made.Token.Reveal())
				switch {
				case c.refused && !errors.Is(err, store.ErrUnauthenticated):
					t.Errorf("%s = %s: let in as %+v, %v", c.column, c.value, key, err)
				case c.refused && c.column != "lookup_id" && c.column != "type" && !strings.Contains(log.String(), "level=ERROR"): // those two make it unknown
					t.Errorf("%s = %s: refused without an alarm: %v, %s", c.column, c.value, err, log.String())
				case !c.refused && err != nil:
					t.Errorf("%s = %s: %v", c.column, c.value, err)
				case !c.refused && (key.Type != store.Secret || len(key.Scopes) != 1 || len(key.AllowedCIDRs) != 1 || key.RateLimit.Requests != 5 || key.ExpiresAt.IsZero()):
					t.Errorf("%s = %s gave the key other powers: %+v", c.column, c.value, key)
				}
			}
			for name := range find(t, w, strings.TrimSpace(firstID(t, w))) {
				if !tried[name] {
					t.Errorf("column %s is not tried", name)
				}
			}

			t.Run("a key that was revoked cannot be brought back", func(t *testing.T) {
				made, err := w.keys.Create(t.Context(), store.NewKey{Type: store.Secret})
				w.must(err)
				_, err = w.keys.Revoke(t.Context(), made.Key.ID)
				w.must(err)
				_, err = w.db.ExecContext(t.Context(), fmt.Sprintf("UPDATE latchkey_key SET revoked = %s, revoked_at = NULL, revoked_by = '' WHERE id = '%s'", boolean, made.Key.ID))
				w.must(err)
				refused(t, w, made.Token.Reveal())
			})
			t.Run("a row that was never ours is refused", func(t *testing.T) {
				other, err := store.NewSealer([]string{pepper[:len(pepper)-1] + "X"})
				w.must(err)
				for name, sealer := range map[string]*store.Sealer{"without a proof": nil, "with the proof of another pepper": other} {
					forger, err := store.Options{Sealer: sealer, FlushInterval: -1}.New(w.rows)
					w.must(err)
					made, err := forger.Create(t.Context(), store.NewKey{Type: store.Secret, Title: name})
					w.must(err)
					refused(t, w, made.Token.Reveal())
				}
			})
			t.Run("nor is a row with another's proof", func(t *testing.T) {
				a, err := w.keys.Create(t.Context(), store.NewKey{Type: store.Secret, Scopes: []string{}})
				w.must(err)
				b, err := w.keys.Create(t.Context(), store.NewKey{Type: store.Secret})
				w.must(err)
				_, err = w.db.ExecContext(t.Context(), fmt.Sprintf("UPDATE latchkey_key SET scopes = NULL, proof = (SELECT proof FROM latchkey_key WHERE id = '%s') WHERE id = '%s'", b.Key.ID, a.Key.ID))
				w.must(err)
				refused(t, w, a.Token.Reveal())
			})
			t.Run("nor is a planted row in Medusa's form", func(t *testing.T) {
				token := "sk_" + strings.Repeat("f04ced00", 8)
				salt, hash := legacy(t, token)
				zero := map[bool]string{true: "0", false: "FALSE"}[sqlite]
				_, err := w.db.ExecContext(t.Context(), fmt.Sprintf(`INSERT INTO latchkey_key (id, type, title, redacted, rate_requests, rate_window, created_by, revoked, revoked_by,
					rolled_from, version, pepper_id, legacy_salt, legacy_hash, search) VALUES ('apk_planted', 'secret', '', '%s', 0, 0, '', %s, '', '', 1, '', '%s', %s, '')`,
					token[:6]+"***"+token[len(token)-3:], zero, salt, fmt.Sprintf(bytesOf, hash)))
				w.must(err)
				refused(t, w, token)
			})
			t.Run("nor an imported one that was altered", func(t *testing.T) {
				for i, change := range []string{"revoked_at = NULL", "scopes = NULL", "expires_at = NULL", "id = 'apk_other'"} {
					token := fmt.Sprintf("sk_%064x", 0xabc000+i)
					importLegacy(t, w, fmt.Sprint("apk_imported", i), token)
					_, err := w.keys.Update(t.Context(), fmt.Sprint("apk_imported", i), store.Patch{Scopes: &[]string{"orders:read"}, ExpiresAt: ptr(time.Now().Add(time.Hour))})
					w.must(err)
					_, err = w.keys.RevokeAt(t.Context(), fmt.Sprint("apk_imported", i), w.keys.Now().Add(time.Hour))
					w.must(err)
					_, err = w.db.ExecContext(t.Context(), fmt.Sprintf("UPDATE latchkey_key SET %s WHERE id = 'apk_imported%d'", change, i))
					w.must(err)
					refused(t, w, token)
				}
			})
		})
	}
}

// entryName is what the name of a key's entry in Redis ends with.
func entryName(m store.Made) string { return base64.RawURLEncoding.EncodeToString(m.Key.LookupID[:]) }

// Somebody writes to Redis. With a row in the database that says otherwise, each entry is put there
// that he can make: it is never used.
func TestRequirement05EntriesWrittenIntoRedisNeverAuthenticate(t *testing.T) {
	ctx := context.Background()
	dsn, _ := databases()[0].open(t)
	w := newWorld(t, dsn)
	victim, err := w.keys.Create(ctx, store.NewKey{Type: store.Secret, Scopes: []string{"orders:read"}})
	w.must(err)
	own, err := w.keys.Create(ctx, store.NewKey{Type: store.Secret})
	w.must(err)
	w.eventually("Redis has both", func() bool {
		for _, m := range []store.Made{victim, own} {
			_, err := w.keys.Authenticate(ctx, m.Token.Reveal())
			w.must(err)
		}
		return len(entriesOf(t, w)) >= 2
	})
	entryOf := func(m store.Made) (name, value string) {
		for name, value := range entriesOf(t, w) {
			if strings.HasSuffix(name, entryName(m)) {
				return name, value
			}
		}
		t.Fatal("no entry")
		return "", ""
	}
	name, genuine := entryOf(victim)
	_, others := entryOf(own)
	put := func(value string) {
		t.Helper()
		w.must(w.rdb.Set(ctx, name, value, time.Hour).Err())
	}
	// A cache of its own reads Redis for every key that it has not seen.
	asks := func() (key *store.Key, used bool, err error) {
		t.Helper()
		fresh, c := newReader(t, w)
		key, err = fresh.Authenticate(ctx, victim.Token.Reveal())
		used = c.Stats().RedisHits > 0
		w.must(c.Close(ctx)) // waits for what it writes to Redis itself, which would take the place of the next forgery
		return key, used, err
	}
	w.eventually("the genuine entry is used", func() bool { _, used, _ := asks(); return used })
	for what, forged := range map[string]string{
		"another's entry as it is":       others,
		"another's entry under this id":  strings.ReplaceAll(others, string(own.Key.LookupID[:8]), string(victim.Key.LookupID[:8])),
		"another scope":                  strings.Replace(genuine, "orders:read", "orders:rite", 1),
		"another key's id":               strings.Replace(genuine, victim.Key.ID, own.Key.ID, 1),
		"the MAC cut off":                genuine[:len(genuine)-store.MACSize],
		"the MAC of another":             genuine[:len(genuine)-store.MACSize] + others[len(others)-store.MACSize:],
		"a MAC of zeros":                 genuine[:len(genuine)-store.MACSize] + strings.Repeat("\x00", store.MACSize),
		"a byte more":                    genuine + "\x00",
		"another generation in its name": "x" + genuine,
	} {
		if forged == genuine {
			t.Fatalf("%s: nothing was changed", what)
		}
		put(forged)
		key, used, err := asks()
		if used || err != nil || len(key.Scopes) != 1 || key.Scopes[0] != "orders:read" || key.ID != victim.Key.ID {
			t.Errorf("%s: used %v, %+v, %v; want the key as the database has it", what, used, key, err)
		}
	}
	t.Run("an entry for a token that never was one", func(t *testing.T) {
		stranger, err := store.New(store.NewMemory()).Create(ctx, store.NewKey{Type: store.Secret})
		w.must(err)
		planted := strings.ReplaceAll(others, string(own.Key.LookupID[:8]), string(stranger.Key.LookupID[:8]))
		w.must(w.rdb.Set(ctx, strings.Replace(name, entryName(victim), entryName(stranger), 1), planted, time.Hour).Err())
		fresh, _ := newReader(t, w)
		if _, err := fresh.Authenticate(ctx, stranger.Token.Reveal()); !errors.Is(err, store.ErrUnknownToken) {
			t.Errorf("got %v", err)
		}
	})
}

// refused asks past all caches, and then as everybody does.
func refused(t *testing.T, w *world, token string) {
	t.Helper()
	for name, s := range map[string]store.Store{"the database": w.rows, "the cache": w.cache} {
		var log lockedBuffer
		keys, err := store.Options{Sealer: w.sealer, FlushInterval: -1, Logger: newLogger(&log)}.New(s)
		w.must(err)
		if key, err := keys.Authenticate(t.Context(), token); !errors.Is(err, store.ErrUnauthenticated) {
			t.Errorf("over %s: let in as %+v, %v", name, key, err)
		}
		if !strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("over %s: no alarm in %q", name, log.String())
		}
	}
}

func firstID(t *testing.T, w *world) string {
	t.Helper()
	return text(rowsOf(t, w, "latchkey_key")[0]["id"])
}

func ptr[T any](v T) *T { return &v }

func newLogger(to *lockedBuffer) *slog.Logger { return slog.New(slog.NewTextHandler(to, nil)) }
