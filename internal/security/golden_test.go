package security_test

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// goldenFolder holds databases and cache entries that a program built from commit f8ca000 made; see
// the README there.
const goldenFolder = "testdata/golden-f8ca000"

// goldenEntriesAreDecoded: an entry of f8ca000 is either decoded to exactly the record that it was
// made from (true) or counts as a miss (false); it never gives more. Programs of level 2 do not
// read these entries: one that was written without an attribute must not be taken for a key without
// it.
const goldenEntriesAreDecoded = false

// goldenKey is what a key must read as, written down from what was asked for when it was made. A
// list that is absent is nil, an empty one is there.
type goldenKey struct {
	Name, Token, Answer string

	ID, Type, Title, Redacted string
	LookupID                  string `json:"lookup_id"`
	Scopes                    []string
	SalesChannelIDs           []string `json:"sales_channel_ids"`
	Metadata                  map[string]string
	AllowedCIDRs              []netip.Prefix `json:"allowed_cidrs"`
	RateRequests              int            `json:"rate_requests"`
	RateWindow                string         `json:"rate_window"`
	CreatedBy                 string         `json:"created_by"`
	CreatedAt                 string         `json:"created_at"`
	UpdatedAt                 string         `json:"updated_at"`
	ExpiresAt                 string         `json:"expires_at"`
	Revoked                   bool
	RevokedAt                 string `json:"revoked_at"`
	RevokedBy                 string `json:"revoked_by"`
	LastUsedAt                string `json:"last_used_at"`
	RolledFrom                string `json:"rolled_from"`
	Version                   int64
	Pepper                    string // current or older
	LegacySalt                string `json:"legacy_salt"`
	LegacyHash                string `json:"legacy_hash"`
}

type goldenEvent struct {
	ID        int64
	Kind      string
	KeyID     string `json:"key_id"`
	LookupID  string `json:"lookup_id"`
	Version   int64
	Actor     string
	RequestID string `json:"request_id"`
	At        string
	Details   map[string]string
}

// golden is what was made with peppers, or without.
type golden struct {
	kind          string
	Commit        string
	Peppers       struct{ Current, Older string }
	Keys, Deleted []goldenKey
	Events        []goldenEvent
}

func goldens(t *testing.T) []golden {
	t.Helper()
	var all []golden
	for _, kind := range []string{"peppers", "plain"} {
		g := golden{kind: kind}
		readGolden(t, kind+".json", &g)
		peppers := g.Peppers.Current != "" && g.Peppers.Older != ""
		if g.Commit != "f8ca000" || len(g.Keys) < 50 || len(g.Events) < 100 || peppers != (kind == "peppers") {
			t.Fatalf("%s: %d keys, %d events, commit %q", kind, len(g.Keys), len(g.Events), g.Commit)
		}
		all = append(all, g)
	}
	return all
}

func readGolden(t *testing.T, name string, to any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(goldenText(t, name)))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// goldenText returns a file with {{repeat N X}} written out.
func goldenText(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(goldenFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	mark := regexp.MustCompile(`\{\{repeat (\d+) ([0-9a-f]+)\}\}`)
	return mark.ReplaceAllStringFunc(string(b), func(s string) string {
		m := mark.FindStringSubmatch(s)
		n, _ := strconv.Atoi(m[1])
		return strings.Repeat(string(unhex(t, m[2])), n)
	})
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func moment(t *testing.T, s string) store.Time {
	t.Helper()
	if s == "" {
		return store.Time{}
	}
	at, err := time.Parse("2006-01-02T15:04:05.000Z", s)
	if err != nil {
		t.Fatal(err)
	}
	return store.TimeOf(at)
}

// key returns the whole key. An attribute that f8ca000 did not know must read as its zero value.
func (g *goldenKey) key(t *testing.T) store.Key {
	t.Helper()
	k := store.Key{
		ID: g.ID, Type: store.Type(g.Type), Title: g.Title, Redacted: g.Redacted, Scopes: g.Scopes,
		SalesChannelIDs: g.SalesChannelIDs, Metadata: g.Metadata, AllowedCIDRs: g.AllowedCIDRs, CreatedBy: g.CreatedBy,
		CreatedAt: moment(t, g.CreatedAt), UpdatedAt: moment(t, g.UpdatedAt), ExpiresAt: moment(t, g.ExpiresAt),
		Revoked: g.Revoked, RevokedAt: moment(t, g.RevokedAt), RevokedBy: g.RevokedBy,
		LastUsedAt: moment(t, g.LastUsedAt), RolledFrom: g.RolledFrom, Version: g.Version,
	}
	copy(k.LookupID[:], unhex(t, g.LookupID))
	if k.Type == store.Publishable {
		k.Token = g.Token
	}
	k.RateLimit.Requests = g.RateRequests
	if g.RateWindow != "" {
		var err error
		if k.RateLimit.Window, err = time.ParseDuration(g.RateWindow); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

// sealer returns what has these peppers; nil where the golden data has none.
func (g *golden) sealer(t *testing.T, peppers ...string) *store.Sealer {
	t.Helper()
	if g.kind == "plain" {
		return nil
	}
	s, err := store.NewSealer(peppers)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// both returns what a program has that knows both peppers.
func (g *golden) both(t *testing.T) *store.Sealer {
	t.Helper()
	return g.sealer(t, g.Peppers.Current, g.Peppers.Older)
}

// load makes a fresh database what f8ca000 left, and opens it with the code of today, which brings
// its schema up to date.
func (g *golden) load(t *testing.T, database string) (*sql.DB, store.Store) {
	t.Helper()
	url := "sqlite:" + filepath.Join(t.TempDir(), "golden.db")
	if database == "postgres" {
		url = servers.Postgres(t).Database(t)
	}
	parsed, err := dburl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	db, err := parsed.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.ExecContext(t.Context(), goldenText(t, database+"-"+g.kind+".sql")); err != nil {
		t.Fatal(err)
	}
	rows, err := parsed.Open(db, discarded())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rows.Close(context.Background()) })
	if err := rows.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db, shielded{rows}
}

func discarded() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// verbs returns verbs over s that know both peppers.
func (g *golden) verbs(t *testing.T, s store.Store) *store.Keys {
	t.Helper()
	sealer := cmp.Or(s.Info().Sealer, g.both(t)) // a cache's own
	keys, err := store.Options{Sealer: sealer, FlushInterval: -1, Logger: discarded()}.New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close(context.Background()) })
	return keys
}

// reader returns a cache that knows both peppers and nothing yet, when it is in use.
func (g *golden) reader(t *testing.T, rows store.Store, rdb *redis.Client) *cache.Cache {
	t.Helper()
	// The times are long, so that a slow machine changes nothing.
	o := cache.Options{Sealer: g.both(t), Logger: discarded(), Lease: 5 * time.Second, RedisTimeout: 5 * time.Second}
	c, err := o.New(rows, rdb)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	soon(t, "the cache is in use", func() bool { s := c.Stats(); return s.Fresh && s.RedisReady })
	return c
}

func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

func goldenRedis(t *testing.T) *redis.Client {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: servers.NewRedis(t).Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// answered checks what Authenticate says about a token, and the key if there is one.
func answered(t *testing.T, keys *store.Keys, g *goldenKey, want store.Key) {
	t.Helper()
	got, err := keys.Authenticate(t.Context(), g.Token)
	answers := map[string]error{
		"ok": nil, "revoked": store.ErrRevoked, "expired": store.ErrExpired, "unknown": store.ErrUnknownToken,
	}
	if expected, ok := answers[g.Answer]; !ok || !errors.Is(err, expected) {
		t.Errorf("%s: authenticate: %v, want %s", g.Name, err, g.Answer)
		return
	}
	if err == nil {
		sameKey(t, g.Name+": authenticate", *got, want)
	}
}

// sameKey compares every attribute but LastUsedAt, which answers of a lookup do not have.
func sameKey(t *testing.T, what string, got, want store.Key) {
	t.Helper()
	got.LastUsedAt, want.LastUsedAt = store.Time{}, store.Time{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %.600q\nwant %.600q", what, shown(got), shown(want))
	}
}

func shown(k store.Key) string {
	b, err := json.Marshal(k)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

var goldenDatabases = []string{"sqlite", "postgres"}

// eachGolden runs a test for each database, with and without peppers.
func eachGolden(t *testing.T, fn func(t *testing.T, g *golden, database string)) {
	for _, g := range goldens(t) {
		for _, database := range goldenDatabases {
			t.Run(database+", "+g.kind, func(t *testing.T) { fn(t, &g, database) })
		}
	}
}

// A database that f8ca000 left is opened by the code of today: nothing of it has another meaning.
func TestRequirement33GoldenRows(t *testing.T) {
	eachGolden(t, func(t *testing.T, g *golden, database string) {
		_, rows := g.load(t, database)
		t.Run("every row reads as it was asked for", func(t *testing.T) {
			for _, k := range g.Keys {
				r, err := rows.Get(t.Context(), k.ID)
				if err != nil {
					t.Errorf("%s: %v", k.Name, err)
					continue
				}
				if want := k.key(t); !reflect.DeepEqual(r.Key, want) {
					t.Errorf("%s:\n got %.600q\nwant %.600q", k.Name, shown(r.Key), shown(want))
				}
				e := r.Evidence.Value()
				if e.LegacySalt != k.LegacySalt || hex.EncodeToString(e.LegacyHash) != k.LegacyHash {
					t.Errorf("%s: salt %q, hash %x", k.Name, e.LegacySalt, e.LegacyHash)
				}
			}
			all, err := rows.List(t.Context(), store.Query{})
			if err != nil || len(all) != len(g.Keys) {
				t.Errorf("%d keys, want %d; %v", len(all), len(g.Keys), err)
			}
			if n, err := rows.Count(t.Context(), store.Filter{}); err != nil || n != len(g.Keys) {
				t.Errorf("%d keys counted, want %d; %v", n, len(g.Keys), err)
			}
		})
		t.Run("every proof verifies with its pepper and with no other", func(t *testing.T) {
			for _, k := range g.Keys {
				for name, sealer := range map[string]*store.Sealer{
					"both": g.both(t), "current": g.sealer(t, g.Peppers.Current), "older": g.sealer(t, g.Peppers.Older),
				} {
					r, err := rows.Get(t.Context(), k.ID)
					if err != nil {
						t.Fatal(err)
					}
					if g.kind == "plain" {
						if e := r.Evidence.Value(); len(e.Proof) != 0 || e.PepperID != "" {
							t.Errorf("%s has a proof", k.Name)
						}
						continue
					}
					var want error = store.ErrForged
					if name == "both" || name == k.Pepper {
						want = nil
					}
					if err := sealer.Verify(r); !errors.Is(err, want) {
						t.Errorf("%s, made with the pepper %s, under %s: %v", k.Name, k.Pepper, name, err)
					}
				}
			}
		})
		t.Run("the log reads as it was written", func(t *testing.T) {
			events, err := rows.Events(t.Context(), store.EventQuery{})
			if err != nil || len(events) != len(g.Events) {
				t.Fatalf("%d events, want %d; %v", len(events), len(g.Events), err)
			}
			for i, e := range g.Events {
				want := store.Event{
					ID: e.ID, Kind: store.Kind(e.Kind), KeyID: e.KeyID, Version: e.Version,
					Actor: e.Actor, RequestID: e.RequestID, At: moment(t, e.At).Time(), Details: e.Details,
				}
				copy(want.LookupID[:], unhex(t, e.LookupID))
				if got := events[i]; !reflect.DeepEqual(got, want) {
					t.Errorf("event %d:\n got %+v\nwant %+v", e.ID, got, want)
				}
			}
			feed, err := rows.Feed(t.Context(), 0, 0)
			if err != nil || feed.Head != int64(len(g.Events)) {
				t.Errorf("head %d, want %d; %v", feed.Head, len(g.Events), err)
			}
		})
		// In this order: the first use of an imported key changes its row.
		t.Run("every token is answered as before, through a cache and past it", func(t *testing.T) {
			c := g.reader(t, rows, goldenRedis(t))
			// From the database, from memory, and past the cache.
			for _, keys := range []*store.Keys{g.verbs(t, c), g.verbs(t, c), g.verbs(t, rows)} {
				for _, k := range slices.Concat(g.Keys, g.Deleted) {
					if k.LookupID != "" {
						answered(t, keys, &k, k.key(t))
					}
				}
			}
			if hits := c.Stats().Hits; hits < uint64(len(g.Keys)/2) {
				t.Errorf("only %d answers came from memory", hits)
			}
		})
		t.Run("imported keys that were never used still work, and their first use upgrades them", func(t *testing.T) {
			keys := g.verbs(t, rows)
			for _, k := range g.Keys {
				if k.LookupID != "" {
					continue
				}
				answered(t, keys, &k, k.key(t))
				if k.Answer != "ok" {
					continue
				}
				token, err := store.ParseToken(k.Token)
				if err != nil {
					t.Fatal(err)
				}
				var r *store.Record
				soon(t, k.Name+" is upgraded", func() bool {
					r, err = rows.Get(t.Context(), k.ID)
					return err == nil && !r.Key.LookupID.IsZero()
				})
				want := k.key(t)
				want.LookupID, want.Version = token.LookupID(), want.Version+1
				sameKey(t, k.Name+", upgraded", r.Key, want)
				if err := g.both(t).Verify(r); err != nil {
					t.Errorf("%s, upgraded: %v", k.Name, err)
				}
				answered(t, g.verbs(t, rows), &k, want)
			}
		})
	})
}

// goldenEntry is a value in Redis.
type goldenEntry struct {
	Name, Value string
	data        string
}

func (g *golden) entries(t *testing.T) (entries []goldenEntry, byLookupID map[string]*goldenEntry) {
	t.Helper()
	var file struct {
		Commit  string
		Entries []goldenEntry
	}
	readGolden(t, "redis-"+g.kind+".json", &file)
	byLookupID = map[string]*goldenEntry{}
	for i := range file.Entries {
		e := &file.Entries[i]
		e.data = string(unhex(t, e.Value))
		byLookupID[e.Name[strings.LastIndexByte(e.Name, ':')+1:]] = e
	}
	return file.Entries, byLookupID
}

// putBack makes Redis what f8ca000 left there. Programs of today have other names for their
// entries: the entries of f8ca000 are put there as well, beside a watermark at the same event,
// which has no tag.
func putBack(t *testing.T, rdb *redis.Client, entries []goldenEntry) {
	t.Helper()
	_, err := rdb.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		p.FlushDB(t.Context())
		for _, e := range entries {
			p.Set(t.Context(), e.Name, e.data, 0)
			if feed, isMark := strings.CutSuffix(e.Name, ":wm"); isMark {
				p.Set(t.Context(), feed+":2:wm", e.data+":"+strings.Repeat("0", 16), 0)
			} else {
				p.Set(t.Context(), strings.Replace(e.Name, "}:e:", "}:2:e:", 1), e.data, 0)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Entries that f8ca000 left in Redis are read by the code of today, over the database that they
// were made from.
func TestRequirement33GoldenEntries(t *testing.T) {
	for _, g := range goldens(t) {
		t.Run(g.kind, func(t *testing.T) {
			_, rows := g.load(t, "sqlite")
			rdb := goldenRedis(t)
			entries, byLookupID := g.entries(t)
			c := g.reader(t, rows, rdb) // its first repair drops what has no tag
			putBack(t, rdb, entries)
			keys := g.verbs(t, c)
			tried := uint64(0)
			for _, k := range g.Keys {
				want := k.key(t)
				if want.LookupID.IsZero() {
					continue // found by its redacted form, never cached
				}
				if byLookupID[entryName(store.Made{Key: &want})] == nil {
					t.Errorf("%s has no entry", k.Name)
				}
				tried++
				before := c.Stats()
				found, err := c.Lookup(t.Context(), want.LookupID, "")
				if err != nil || found.Record == nil {
					t.Fatalf("%s: %+v, %v", k.Name, found, err)
				}
				sameKey(t, k.Name+": lookup", found.Record.Key, want)
				answered(t, keys, &k, want)
				after := c.Stats()
				hit, asked := after.RedisHits-before.RedisHits, after.StoreLookups-before.StoreLookups
				right := hit == 0 && asked > 0
				if goldenEntriesAreDecoded {
					right = hit == 1 && asked == 0
				}
				if !right {
					t.Errorf("%s: %d answers from Redis, %d from the database", k.Name, hit, asked)
				}
			}
			if int(tried) != len(entries)-1 { // one is the watermark
				t.Errorf("%d entries for %d keys", len(entries)-1, tried)
			}
		})
	}
}

// With peppers, an entry of f8ca000 in which a single bit is flipped is never used; the database is
// asked.
func TestRequirement33GoldenEntriesWithABitFlipped(t *testing.T) {
	g := goldens(t)[0]
	_, rows := g.load(t, "sqlite")
	rdb := goldenRedis(t)
	entries, byLookupID := g.entries(t)
	const rounds = 16 // each with a bit of every entry: about 1 600 bits, evenly over all places
	for round := range rounds {
		flipped := slices.Clone(entries)
		for i := range flipped {
			if strings.HasSuffix(flipped[i].Name, ":wm") {
				continue
			}
			b := []byte(flipped[i].data)
			bits := len(b) * 8
			at := (round*bits/rounds + i*bits/rounds/len(flipped)) % bits
			b[at/8] ^= 1 << (at % 8)
			flipped[i].data = string(b)
		}
		if round == 0 && len(byLookupID) < 50 {
			t.Fatal("too few entries")
		}
		c := g.reader(t, rows, rdb)
		putBack(t, rdb, flipped)
		keys := g.verbs(t, c)
		for _, k := range g.Keys {
			if k.LookupID != "" {
				answered(t, keys, &k, k.key(t))
			}
		}
		s := c.Stats()
		if s.RedisHits != 0 || s.RedisMisses != uint64(len(entries)-1) {
			t.Errorf("round %d: %d entries used, %d not, of %d", round, s.RedisHits, s.RedisMisses, len(entries)-1)
		}
		if round > 0 && s.RedisForged == 0 {
			t.Errorf("round %d: none of %d was taken for a forgery", round, len(entries)-1)
		}
		if err := c.Close(context.Background()); err != nil { // waits for what it writes to Redis itself
			t.Fatal(err)
		}
	}
}
