package admin_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/latchkey-go/latchkey/admin"
	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// begin is when the clock of a fixture starts.
var begin = time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC)

// fixture is the API over a memory store, with a clock that only moves when told to.
type fixture struct {
	t     *testing.T
	rows  store.Store
	keys  *store.Keys
	api   http.Handler
	admin *store.Key // an unrestricted secret key

	mu  sync.Mutex
	now time.Time
}

func open(t *testing.T, c admin.Options) *fixture { return openOver(t, c, store.NewMemory()) }

func openOver(t *testing.T, c admin.Options, s store.Store) *fixture {
	t.Helper()
	f := &fixture{t: t, rows: s, now: begin}
	keys, err := store.Options{FlushInterval: -1, Now: f.clock}.New(withAdmin{s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close(context.Background()) })
	f.keys = keys
	c.Errors = keyauth.MedusaErrors // so that all refusals are in the same words
	f.api = documented(t, admin.New(keys, c))
	f.admin = adminKey()
	return f
}

// adminKey is an unrestricted secret key that is in no list, so that answers can be compared to the
// byte.
func adminKey() *store.Key { return &store.Key{ID: "apk_admin", Type: store.Secret} }

// withAdmin is a Store that has adminKey too, for those who ask for it by its id.
type withAdmin struct{ store.Store }

func (s withAdmin) Get(ctx context.Context, id string) (*store.Record, error) {
	r, err := s.Store.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) && id == adminKey().ID {
		return &store.Record{Key: *adminKey()}, nil
	}
	return r, err
}

func (s withAdmin) Change(ctx context.Context, actor store.Actor, fn func(store.Tx) error) (store.Change, error) {
	return s.Store.Change(ctx, actor, func(tx store.Tx) error { return fn(txWithAdmin{tx}) })
}

type txWithAdmin struct{ store.Tx }

func (tx txWithAdmin) Find(ctx context.Context, q store.Query) ([]*store.Record, error) {
	found, err := tx.Tx.Find(ctx, q)
	if err == nil && slices.Contains(q.Filter.IDs, adminKey().ID) {
		found = append(found, &store.Record{Key: *adminKey()})
	}
	return found, err
}

// letAllThrough is a guard that guards nothing: what is refused behind it, admin refuses by itself.
func letAllThrough(next http.Handler) http.Handler { return next }

func (f *fixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// answer is a status and a body.
type answer struct {
	status int
	body   string
	header http.Header
}

// send makes a request as key; a nil key is nobody. A body that is not empty is JSON unless a
// content type is given.
func (f *fixture) send(key *store.Key, method, target, body string, header ...string) answer {
	f.t.Helper()
	r := httptest.NewRequest(method, target, http.NoBody) // what a server makes of a request without a body
	if body != "" {
		r = httptest.NewRequest(method, target, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if key != nil {
		r = r.WithContext(store.NewContext(r.Context(), key))
	}
	w := httptest.NewRecorder()
	f.api.ServeHTTP(w, r)
	read, err := io.ReadAll(w.Result().Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return answer{w.Code, string(read), w.Header()}
}

// do is send as the unrestricted key.
func (f *fixture) do(method, target, body string, header ...string) answer {
	f.t.Helper()
	return f.send(f.admin, method, target, body, header...)
}

// made makes a key past the API.
func (f *fixture) made(in store.NewKey) store.Made {
	f.t.Helper()
	made, err := f.keys.Create(store.WithActor(context.Background(), "user_1"), in)
	if err != nil {
		f.t.Fatal(err)
	}
	return made
}

func (f *fixture) publishable(title string) *store.Key {
	f.t.Helper()
	return f.made(store.NewKey{Type: store.Publishable, Title: title}).Key
}

func (f *fixture) secret(title string) *store.Key {
	f.t.Helper()
	return f.made(store.NewKey{Type: store.Secret, Title: title}).Key
}

// fill puts a key's own values into a pattern of an answer.
func fill(pattern string, k *store.Key) string {
	return strings.NewReplacer("{id}", k.ID, "{token}", k.Token, "{redacted}", k.Redacted).Replace(pattern)
}

// is asserts an answer, exact to the byte.
func (a answer) is(t *testing.T, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Errorf("answered\n\t%d %s\nwant\n\t%d %s", a.status, a.body, status, body)
	}
}

// invalid is a body of Medusa's validation.
func invalid(faults string) string {
	return `{"type":"invalid_data","message":"Invalid request: ` + faults + `"}`
}

// isLike asserts the status and the end of the body.
func (a answer) isLike(t *testing.T, status int, end string) {
	t.Helper()
	if a.status != status || !strings.HasSuffix(a.body, end) {
		t.Errorf("answered\n\t%d %s\nwant\n\t%d …%s", a.status, a.body, status, end)
	}
}

// quiet is for tests that cause what is logged.
var quiet = slog.New(slog.DiscardHandler)
