package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// buffer may be written by many.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// askedShop is a shop that notes what it is asked, as its database's log would.
type askedShop struct{ heard buffer }

func (s *askedShop) ByID(ctx context.Context, ids []string) ([]admin.SalesChannel, error) {
	fmt.Fprintln(&s.heard, ids)
	return everyChannel{}.ByID(ctx, ids)
}

// tokenTexts are texts that hold a token, by where it stands in them.
func tokenTexts(token string) map[string]string {
	escaped := strings.Replace(token, "_", "%5F", 1)
	return map[string]string{
		"whole": token, "something before": "x" + token, "something behind": token + "00", "both": "(key=" + token + ").", "words around": "my " + token + " key",
		"escaped again": escaped, "escaped, beside a broken escape": escaped + "%zz",
	}
}

// values are what a body may have in a field's place, with the text somewhere in it.
func values(text string) []any {
	o := func(name string, v any) any { return map[string]any{name: v} }
	return []any{
		text, []any{text}, []any{"a", text}, o("a", text), o(text, "a"), o("$in", []any{text}), o("$ne", text), []any{o("id", text)},
		[]any{o("title", []any{text}), o("token", text)}, []any{o(text, "a")}, []any{o("created_at", o("$gt", text))}, o("requests", text),
	}
}

// queries are the same for a query.
func queriesOf(field, text string) []string {
	v, f := url.QueryEscape(text), url.QueryEscape(field)
	list := []string{}
	for _, name := range []string{"", "[]", "[a]", "[$in][]", "[$ne]", "[0][id]", "[0][title][]", "[0][created_at][$gt]", "." + v, "[" + v + "]"} {
		list = append(list, f+url.QueryEscape(name)+"="+v)
	}
	return append(list, f+"="+v+"&"+f+"="+v, f+"[]=a,"+v, f+"="+v+"%ff") // the last: an escape that spoils the decoding of all
}

// Every route of the table, every parameter that it takes and one that it does not, the path, and
// the headers, with a token in each place of each shape: no statement of the database, no question
// to the shop, no line of the log at its most talkative, and nothing that Redis is sent holds the
// token's body. Nor does an error's answer.
func TestRequirement36NoParameterOfAnyRouteLetsATokenOutMore(t *testing.T) {
	server := servers.NewPostgres(t, "log_statement=all", "log_parameter_max_length=-1")
	rds := servers.NewRedis(t)
	sent := recordRedis(t, rds.Addr())
	var log buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := dburl.Parse(server.Database(t))
	must(err)
	db, err := parsed.Connect()
	must(err)
	t.Cleanup(func() { _ = db.Close() })
	rows, err := parsed.Open(db, logger)
	must(err)
	must(rows.Ready(t.Context()))
	o := &redis.UniversalOptions{Addrs: []string{rds.Addr()}}
	cache.RecommendedRedisOptions(o)
	rdb := redis.NewClient(o.Simple())
	t.Cleanup(func() { _ = rdb.Close() })
	cached, err := cache.Options{Logger: logger, Lease: 40 * time.Millisecond}.New(rows, rdb)
	must(err)
	keys, err := store.Options{Logger: logger, Namespace: "canary", FlushInterval: -1}.New(cached)
	must(err)
	t.Cleanup(func() { _ = keys.Close(context.Background()) })
	shop := &askedShop{}
	api := admin.New(keys, admin.Options{SalesChannels: shop, Logger: logger})
	public, err := keys.Create(t.Context(), store.NewKey{Type: store.Publishable, Title: "canary"})
	must(err)
	made, err := keys.Create(t.Context(), store.NewKey{Type: store.Secret})
	must(err)
	medusa := "sk_" + "5ca1ab1e0f6d4c93b27a8e15d0c4f7b9362e81ad5f09c7b4e3d21608a9f5c7d1"
	_, _, err = keys.ImportToken(t.Context(), medusa, store.NewKey{})
	must(err)
	asking, _, err := keys.ImportToken(t.Context(), "sk_3b1f70c2d94e85a6f0137bd2c8e4965a7f20cb18d36e94057ab1c2f8e60d5934", store.NewKey{})
	must(err)

	bodies := []string{middle(made.Token.Reveal()), middle(medusa)}
	asked := 0
	ask := func(t *testing.T, method, target, body string, header ...string) {
		t.Helper()
		asked++
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(method, "/", strings.NewReader(body))
		r.URL = u
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		ctx := store.NewContext(r.Context(), asking)
		if id := r.Header.Get("X-Request-Id"); id != "" {
			ctx = store.WithRequestID(ctx, id) // as the guard does
		}
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r.WithContext(ctx))
		if w.Code == http.StatusServiceUnavailable || w.Code == http.StatusInternalServerError {
			t.Errorf("%s %.300s was answered %d %s", method, target, w.Code, w.Body)
		}
		for _, secret := range bodies {
			if w.Code != http.StatusOK && strings.Contains(w.Body.String(), secret) {
				t.Errorf("%s %.300s %.300s: the answer repeats the token: %s", method, target, body, w.Body)
			}
		}
	}
	everyRoute(t, func(t *testing.T, _, method, target, body string) {
		target = strings.Replace(target, "{id}", public.Key.ID, 1)
		if strings.HasSuffix(target, "/self/revoke") {
			body = `{"revoke_in":1e9}` // the key goes on
		}
		route := routeOf(t, &fixture{keys: keys}, method, target)
		base := map[string]any{}
		if body != "" {
			must(json.Unmarshal([]byte(body), &base))
		}
		for _, token := range []string{made.Token.Reveal(), medusa} {
			for where, text := range tokenTexts(token) {
				id := url.PathEscape(text)
				if before, after, there := strings.Cut(target, public.Key.ID); there {
					ask(t, method, before+id+after, body)
				}
				ask(t, method, target+"/"+id, body)
				ask(t, method, target, body, "Content-Type", "application/json; charset="+text)
				ask(t, method, target, body, "Content-Encoding", text, "Accept", text)
				ask(t, method, target, text)
				for _, field := range append(route.Query, "nonsense", text) {
					for _, query := range queriesOf(field, text) {
						ask(t, method, target+"?"+query, body, "X-Request-Id", "id-"+text)
						if where != "whole" && where != "both" {
							break // the shapes are what differs, and have been tried
						}
					}
				}
				for _, field := range append(route.Body, "nonsense", text) {
					for _, value := range values(text) {
						with := map[string]any{}
						for name, v := range base {
							with[name] = v
						}
						with[field] = value
						sent, err := json.Marshal(with)
						must(err)
						if route.Body != nil {
							ask(t, method, target, string(sent))
						}
						if where != "whole" && where != "both" {
							break
						}
					}
				}
			}
		}
	})
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(strings.ToLower(sent.String()), "latchkey"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("Redis was sent nothing: this test does not look where it should")
		}
	}
	journal := everyFile(t, filepath.Dir(server.Dir()))
	t.Logf("%d requests, %d bytes of the database's files, %d sent to Redis, %d of the log", asked, len(journal), len(sent.String()), len(log.String()))
	for place, text := range map[string]string{"a statement": journal, "the log": log.String(), "Redis": sent.String(), "a question to the shop": shop.heard.String()} {
		text = strings.ToLower(text)
		if place == "a statement" && (!strings.Contains(text, "insert into latchkey_key") || !strings.Contains(text, "canary")) {
			t.Error("no statement is in the database's log: this test does not look where it should")
		}
		for _, secret := range bodies {
			if at := strings.Index(text, strings.ToLower(secret)); at >= 0 {
				t.Errorf("a token is in %s: …%q", place, text[max(0, at-300):at])
			}
		}
	}
}

// middle is a part of a token's body: that part of it is a leak too.
func middle(token string) string { return token[len(token)-40 : len(token)-10] }

// everyFile returns what all files below dir hold.
func everyFile(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // a file that is gone by now
		}
		text, err := os.ReadFile(path)
		if err == nil {
			all.Write(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// recordRedis records every command that a Redis server is sent.
func recordRedis(t *testing.T, addr string) *buffer {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	var sent buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(&sent, conn)
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	if _, err := io.WriteString(conn, "MONITOR\r\n"); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); !strings.HasPrefix(sent.String(), "+OK"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("Redis said %q", sent.String())
		}
	}
	return &sent
}
