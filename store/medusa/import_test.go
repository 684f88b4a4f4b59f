package medusa_test

import (
	"context"
	"database/sql"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"go.uber.org/goleak"
	"golang.org/x/crypto/scrypt"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/medusa"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

func TestMain(m *testing.M) {
	code := servers.Main(m).Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// schema is what Medusa's migrations leave behind.
//
//go:embed testdata/medusa.sql
var schema string

// shop is a Medusa database.
func shop(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", servers.Postgres(t).Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	exec(t, db, schema)
	return db
}

func exec(t testing.TB, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.Exec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// insert adds a row of api_key, given as column, value, column, value …
func insert(t testing.TB, db *sql.DB, id string, pairs ...any) {
	t.Helper()
	columns := map[string]any{"id": id, "token": id, "salt": "", "redacted": "", "title": id, "type": "publishable", "created_by": "user_1"}
	for i := 0; i < len(pairs); i += 2 {
		columns[pairs[i].(string)] = pairs[i+1]
	}
	var names, places []string
	var args []any
	for name, value := range columns {
		names, args = append(names, name), append(args, value)
		places = append(places, fmt.Sprint("$", len(args)))
	}
	exec(t, db, "INSERT INTO api_key ("+strings.Join(names, ", ")+") VALUES ("+strings.Join(places, ", ")+")", args...)
}

func secretToken(n int) string      { return fmt.Sprintf("sk_%064x", n+1<<20) }
func publishableToken(n int) string { return fmt.Sprintf("pk_%064x", n) }

// secret returns the columns of a secret key as Medusa writes them.
func secret(t testing.TB, token string) []any {
	t.Helper()
	salt := "00112233445566778899aabbccddeeff"
	hash, err := scrypt.Key([]byte(token), []byte(salt), 16384, 8, 1, 64)
	if err != nil {
		t.Fatal(err)
	}
	return []any{"type", "secret", "salt", salt, "token", hex.EncodeToString(hash), "redacted", redacted(token)}
}

func redacted(token string) string { return token[:6] + "***" + token[len(token)-3:] }

func newKeys(t testing.TB) *store.Keys {
	t.Helper()
	keys, err := store.Options{FlushInterval: -1}.New(store.NewMemory())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close(context.Background()) })
	return keys
}

func TestImportKeepsEverything(t *testing.T) {
	db, keys, ctx := shop(t), newKeys(t), t.Context()
	at := func(h int) time.Time { return time.Date(2025, 6, 1, h, 2, 3, 456e6, time.UTC) }
	future := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Millisecond)
	insert(t, db, "apk_a", "token", publishableToken(1), "redacted", redacted(publishableToken(1)), "title", "Shop ü", "created_by", "user_9",
		"created_at", at(1), "updated_at", at(2), "last_used_at", at(3), "revoked_at", future, "revoked_by", "user_8")
	insert(t, db, "apk_b", append(secret(t, secretToken(1)), "created_by", "", "created_at", at(4), "updated_at", at(5))...)
	insert(t, db, "apk_c", append(secret(t, secretToken(2)), "revoked_at", at(6), "revoked_by", "apk_b")...)
	for i, channel := range []string{"sc_z", "sc_a", "sc_gone"} {
		exec(t, db, "INSERT INTO publishable_api_key_sales_channel (publishable_key_id, sales_channel_id, id, created_at) VALUES ('apk_a', $1, $1, $2)", channel, at(i))
	}
	exec(t, db, "UPDATE publishable_api_key_sales_channel SET deleted_at = now() WHERE sales_channel_id = 'sc_gone'")

	summary, err := medusa.Import(ctx, db, keys, medusa.Options{})
	if err != nil || summary.Imported != 3 || summary.Read != 3 || len(summary.Refused) != 0 || summary.LastID != "apk_c" {
		t.Fatalf("%+v, %v", summary, err)
	}
	a, err := keys.Get(ctx, "apk_a")
	if err != nil {
		t.Fatal(err)
	}
	parsed, _ := store.ParseToken(publishableToken(1))
	want := store.Key{
		ID: "apk_a", Type: store.Publishable, Title: "Shop ü", Redacted: redacted(publishableToken(1)), Token: publishableToken(1), LookupID: parsed.LookupID(),
		SalesChannelIDs: []string{"sc_z", "sc_a"}, CreatedBy: "user_9", CreatedAt: store.TimeOf(at(1)), UpdatedAt: store.TimeOf(at(2)), LastUsedAt: store.TimeOf(at(3)),
		RevokedAt: store.TimeOf(future), RevokedBy: "user_8", Version: 1,
	}
	if !reflect.DeepEqual(*a, want) {
		t.Errorf("got\n%+v, want\n%+v", *a, want)
	}
	if key, err := keys.Authenticate(ctx, publishableToken(1)); err != nil || key.ID != "apk_a" {
		t.Errorf("the publishable token: %+v, %v", key, err)
	}
	if key, err := keys.Authenticate(ctx, secretToken(1)); err != nil || key.ID != "apk_b" {
		t.Errorf("the secret token: %+v, %v", key, err)
	}
	if _, err := keys.Authenticate(ctx, secretToken(2)); !errors.Is(err, store.ErrUnauthenticated) {
		t.Errorf("the revoked token: %v", err)
	}
	if c, err := keys.Get(ctx, "apk_c"); err != nil || !c.Revoked || !c.RevokedAt.Time().Equal(at(6)) || c.RevokedBy != "apk_b" {
		t.Errorf("the revoked key: %+v, %v", c, err)
	}
}

func TestImportNamesWhatItCannotTake(t *testing.T) {
	db, keys, ctx := shop(t), newKeys(t), t.Context()
	insert(t, db, "apk_1", "token", publishableToken(1))
	insert(t, db, "apk_2", "token", publishableToken(2), "deleted_at", time.Now())
	insert(t, db, "apk_3", "token", "pk_short")
	insert(t, db, "apk_4", "type", "secret", "salt", "00", "redacted", "sk_a***b", "token", "no hex at all")
	insert(t, db, "apk_5", "type", "secret", "salt", "00", "redacted", "sk_a***b", "token", "abcdef")
	insert(t, db, "apk_6", "token", publishableToken(6))
	insert(t, db, "apk_7", "token", publishableToken(7), "revoked_at", "infinity")
	insert(t, db, "apk_8", "token", publishableToken(8), "created_at", "-infinity")
	insert(t, db, "apk_9", "token", publishableToken(9), "revoked_at", "33658-01-01")
	insert(t, db, "", "token", publishableToken(10))
	for _, dry := range []bool{true, false} {
		summary, err := medusa.Import(ctx, db, keys, medusa.Options{DryRun: dry, BatchSize: 2})
		var refused []string
		for _, r := range summary.Refused {
			refused = append(refused, r.ID)
			if r.Reason == "" {
				t.Errorf("%s without a reason", r.ID)
			}
		}
		if err != nil || summary.Imported != 2 || summary.Read != 10 || strings.Join(refused, " ") != " apk_2 apk_3 apk_4 apk_5 apk_7 apk_8 apk_9" {
			t.Errorf("dry run %v: %+v, %v", dry, summary, err)
		}
		if n := count(t, keys); n != map[bool]int{true: 0, false: 2}[dry] {
			t.Errorf("dry run %v: %d keys", dry, n)
		}
	}
}

func TestImportCanBeRepeatedAndResumed(t *testing.T) {
	db, keys, ctx := shop(t), newKeys(t), t.Context()
	const n = 25
	for i := range n {
		insert(t, db, fmt.Sprintf("apk_%02d", i), "token", publishableToken(i))
	}
	broken, stop := context.WithCancel(ctx)
	var told []medusa.Progress
	first, err := medusa.Import(broken, db, keys, medusa.Options{BatchSize: 10, Progress: func(p medusa.Progress) {
		told = append(told, p)
		if p.Done == 20 {
			stop()
		}
	}})
	if err == nil || first.Imported != 20 || first.LastID != "apk_19" || count(t, keys) != 20 {
		t.Fatalf("broken off: %+v, %v, %d keys", first, err, count(t, keys))
	}
	if want := []medusa.Progress{{Done: 10, Total: n, LastID: "apk_09"}, {Done: 20, Total: n, LastID: "apk_19"}}; !reflect.DeepEqual(told, want) {
		t.Errorf("progress %+v, want %+v", told, want)
	}
	rest, err := medusa.Import(ctx, db, keys, medusa.Options{BatchSize: 10, After: first.LastID})
	if err != nil || rest.Imported != 5 || rest.Read != 5 {
		t.Errorf("resumed: %+v, %v", rest, err)
	}

	if _, err := keys.Revoke(ctx, "apk_00"); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Revoke(ctx, "apk_01"); err != nil {
		t.Fatal(err)
	}
	if err := keys.Delete(ctx, "apk_01"); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Update(ctx, "apk_02", store.Patch{Title: new("renamed here")}); err != nil {
		t.Fatal(err)
	}
	insert(t, db, "apk_new", "token", publishableToken(99))
	again, err := medusa.Import(ctx, db, keys, medusa.Options{})
	if err != nil || again.Imported != 1 || again.Known != n-1 || again.Gone != 1 {
		t.Errorf("again: %+v, %v", again, err)
	}
	if key, _ := keys.Get(ctx, "apk_00"); !key.Revoked {
		t.Error("a revoked key is back")
	}
	if _, err := keys.Get(ctx, "apk_01"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a deleted key is back: %v", err)
	}
	if key, _ := keys.Get(ctx, "apk_02"); key.Title != "renamed here" {
		t.Errorf("a key was updated: %+v", key)
	}
}

func TestImportReadsAnotherSchema(t *testing.T) {
	db, keys := shop(t), newKeys(t)
	exec(t, db, `CREATE SCHEMA "the shop"; ALTER TABLE api_key SET SCHEMA "the shop"; ALTER TABLE publishable_api_key_sales_channel SET SCHEMA "the shop"`)
	exec(t, db, `INSERT INTO "the shop".api_key (id, token, salt, redacted, title, type, created_by) VALUES ('apk_1', $1, '', '', '', 'publishable', '')`, publishableToken(1))
	if _, err := medusa.Import(t.Context(), db, keys, medusa.Options{}); err == nil {
		t.Error("no error though there is no table api_key")
	}
	if summary, err := medusa.Import(t.Context(), db, keys, medusa.Options{Schema: "the shop"}); err != nil || summary.Imported != 1 {
		t.Errorf("%+v, %v", summary, err)
	}
	if _, err := medusa.Import(t.Context(), db, keys, medusa.Options{BatchSize: 1001}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("batches that are too large: %v", err)
	}
}

func count(t *testing.T, keys *store.Keys) int {
	t.Helper()
	_, n, err := keys.ListAndCount(context.Background(), store.Query{Limit: -1})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
