package soak_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// pair is two instances over one store and one Redis: A changes keys, and B, which has everything
// in its memory, is asked as soon as the change has returned. Their feeds are read every 15 s: B
// knows by acknowledging, or not at all.
type pair struct {
	*testing.T
	a, b           *store.Keys
	cacheA, cacheB *cache.Cache
	routes         http.Handler
	admin          store.Made
	ctx            context.Context
}

// kept is the store below, which neither of the two may close.
type kept struct{ store.Store }

func (kept) Close(context.Context) error { return nil }

func newPair(t *testing.T) *pair {
	t.Helper()
	peppers := []string{"a-pepper-that-is-long-enough-for-tests-1", "an-old-pepper-that-is-long-enough-too-2"}
	sealer := func(peppers ...string) *store.Sealer {
		s, err := store.NewSealer(peppers)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	current := sealer(peppers...)
	memory := store.NewMemory()
	server := servers.Redis(t)
	p := &pair{T: t, ctx: context.Background()}
	instance := func() (*store.Keys, *cache.Cache) {
		rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
		t.Cleanup(func() { _ = rdb.Close() })
		c, err := cache.Options{Lease: time.Minute, Sealer: current}.New(kept{memory}, rdb)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := store.Options{Sealer: current, Logger: slog.New(slog.DiscardHandler)}.New(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := keys.Close(p.ctx); err != nil {
				t.Error(err)
			}
		})
		for deadline := time.Now().Add(20 * time.Second); !c.Stats().RedisReady || !c.Stats().Listening; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("an instance does not get ready")
			}
		}
		return keys, c
	}
	// A key from before the pepper was changed, for Reseal.
	before, err := store.Options{Sealer: sealer(peppers[1])}.New(kept{memory})
	if err != nil {
		t.Fatal(err)
	}
	if p.admin, err = before.Create(p.ctx, store.NewKey{Type: store.Secret, Title: "admin"}); err != nil {
		t.Fatal(err)
	}
	if err := before.Close(p.ctx); err != nil {
		t.Fatal(err)
	}
	p.a, p.cacheA = instance()
	p.b, p.cacheB = instance()
	p.routes = admin.New(p.a, admin.Options{})
	return p
}

func (p *pair) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// key makes a key and has both instances remember it.
func (p *pair) key(in store.NewKey) store.Made {
	p.Helper()
	if in.Type == "" {
		in.Type = store.Secret
	}
	made, err := p.a.Create(p.ctx, in)
	p.must(err)
	for _, keys := range []*store.Keys{p.a, p.b} {
		_, err := keys.Verify(p.ctx, made.Token.Reveal())
		p.must(err)
	}
	return made
}

// revoked makes a key that both remember as revoked.
func (p *pair) revoked() store.Made {
	p.Helper()
	made := p.key(store.NewKey{})
	_, err := p.a.Revoke(p.ctx, made.Key.ID)
	p.must(err)
	p.refused(made.Token, store.ErrRevoked)
	return made
}

// atB returns what B knows of a token.
func (p *pair) atB(token store.Token) *store.Key {
	p.Helper()
	key, err := p.b.Verify(p.ctx, token.Reveal())
	if err != nil {
		p.Fatalf("B: %v", err)
	}
	return key
}

func (p *pair) refused(token store.Token, why error) {
	p.Helper()
	if _, err := p.b.Verify(p.ctx, token.Reveal()); !errors.Is(err, why) {
		p.Errorf("B says %v, want %v", err, why)
	}
}

func (p *pair) equal(what string, got, want any) {
	p.Helper()
	if !reflect.DeepEqual(got, want) {
		p.Errorf("B has the %s %v, want %v", what, got, want)
	}
}

// unknown returns a well-formed token that B remembers as unknown.
func (p *pair) unknown(typ store.Type) store.Token {
	p.Helper()
	keys := store.New(store.NewMemory())
	made, err := keys.Create(p.ctx, store.NewKey{Type: typ})
	p.must(err)
	p.must(keys.Close(p.ctx))
	p.refused(made.Token, store.ErrUnknownToken)
	return made.Token
}

// changed runs do and fails when it did not go through the protocol, or not without waiting for a
// lease.
func (p *pair) changed(do func()) {
	p.Helper()
	before := p.cacheA.Stats()
	do()
	after := p.cacheA.Stats()
	if after.Changes == before.Changes {
		p.Error("it did not go through Change")
	}
	if after.SlowChanges != before.SlowChanges {
		p.Error("it had to wait for a lease")
	}
}

// TestEveryVerbIsSeenEverywhere walks the verbs of store.Keys. One that is new fails here until it
// is said what it does.
func TestEveryVerbIsSeenEverywhere(t *testing.T) {
	reads := strings.Fields("Authenticate Verify Reauthenticate Close Now Get List ListAndCount Events Revocable PepperCounts Limiter CountDenial Stats")
	// They write, but nothing that an answer to a request depends on.
	aside := strings.Fields("PruneEvents")
	title := "new title"
	one := func(made store.Made) store.Filter { return store.Filter{IDs: []string{made.Key.ID}} }
	revoking := func(do func(p *pair, made store.Made) error) func(*pair) {
		return func(p *pair) {
			made := p.key(store.NewKey{})
			p.changed(func() { p.must(do(p, made)) })
			p.refused(made.Token, store.ErrRevoked)
		}
	}
	updating := func(do func(p *pair, made store.Made) error) func(*pair) {
		return func(p *pair) {
			made := p.key(store.NewKey{Title: "old title"})
			p.changed(func() { p.must(do(p, made)) })
			p.equal("title", p.atB(made.Token).Title, title)
		}
	}
	changes := map[string]func(p *pair){
		"Create": func(p *pair) {
			var made store.Made
			p.changed(func() {
				var err error
				made, err = p.a.Create(p.ctx, store.NewKey{Type: store.Secret})
				p.must(err)
			})
			p.atB(made.Token)
		},
		"CreateMany": func(p *pair) {
			var made []store.Made
			p.changed(func() {
				var err error
				made, err = p.a.CreateMany(p.ctx, []store.NewKey{{Type: store.Secret}, {Type: store.Publishable}})
				p.must(err)
			})
			for _, m := range made {
				p.atB(m.Token)
			}
		},
		"ImportToken": func(p *pair) {
			token := p.unknown(store.Secret)
			p.changed(func() {
				_, _, err := p.a.ImportToken(p.ctx, token.Reveal(), store.NewKey{})
				p.must(err)
			})
			p.atB(token)
		},
		"Import": func(p *pair) {
			token := p.unknown(store.Publishable)
			p.changed(func() {
				result, err := p.a.Import(p.ctx, []store.ImportKey{{
					Key: store.Key{ID: "apk_01HZZZZZZZZZZZZZZZZZZZZZZZ", Type: store.Publishable, Redacted: token.Redacted(), CreatedAt: store.TimeOf(time.Now())}, Token: token.Reveal(),
				}}, false)
				p.must(err)
				if result.Imported != 1 {
					p.Fatalf("got %+v", result)
				}
			})
			p.atB(token)
		},
		"Update": updating(func(p *pair, made store.Made) error {
			_, err := p.a.Update(p.ctx, made.Key.ID, store.Patch{Title: &title})
			return err
		}),
		"UpdateAll": updating(func(p *pair, made store.Made) error {
			_, err := p.a.UpdateAll(p.ctx, one(made), store.Patch{Title: &title})
			return err
		}),
		"Revoke": revoking(func(p *pair, made store.Made) error {
			_, err := p.a.Revoke(p.ctx, made.Key.ID)
			return err
		}),
		"RevokeAll": revoking(func(p *pair, made store.Made) error {
			_, err := p.a.RevokeAll(p.ctx, one(made), time.Now())
			return err
		}),
		"ReportLeaks": revoking(func(p *pair, made store.Made) error {
			_, err := p.a.ReportLeaks(p.ctx, []store.Leak{{Token: made.Token.Reveal()}})
			return err
		}),
		"RevokeAt": func(p *pair) {
			made := p.key(store.NewKey{})
			var at store.Time
			p.changed(func() {
				key, err := p.a.RevokeAt(p.ctx, made.Key.ID, p.a.Now().Add(time.Hour))
				p.must(err)
				at = key.RevokedAt
			})
			p.equal("end", p.atB(made.Token).RevokedAt, at)
		},
		"Roll": func(p *pair) {
			made := p.key(store.NewKey{})
			var next store.Made
			p.changed(func() {
				var err error
				next, err = p.a.Roll(p.ctx, made.Key.ID, store.RollOptions{})
				p.must(err)
			})
			p.refused(made.Token, store.ErrRevoked)
			p.atB(next.Token)
		},
		"Delete": func(p *pair) {
			made := p.revoked()
			p.changed(func() { p.must(p.a.Delete(p.ctx, made.Key.ID)) })
			p.refused(made.Token, store.ErrUnknownToken)
		},
		"LinkSalesChannels": func(p *pair) {
			made := p.key(store.NewKey{Type: store.Publishable})
			p.changed(func() {
				_, err := p.a.LinkSalesChannels(p.ctx, made.Key.ID, []string{"sc_1"}, nil)
				p.must(err)
			})
			p.equal("channels", p.atB(made.Token).SalesChannelIDs, []string{"sc_1"})
		},
		"Reseal": func(p *pair) {
			version := func() int64 { // what B keeps is without its proof
				found, err := p.cacheB.Lookup(p.ctx, p.admin.Key.LookupID, "")
				p.must(err)
				return found.Record.Key.Version
			}
			old := version()
			p.changed(func() {
				resealed, refused, err := p.a.Reseal(p.ctx, false, nil)
				p.must(err)
				if resealed != 1 || refused != 0 {
					p.Fatalf("%d resealed, %d refused", resealed, refused)
				}
			})
			if now := version(); now != old+1 {
				p.Errorf("B has version %d, after version %d", now, old)
			}
		},
	}
	entered := map[string]bool{}
	for _, name := range append(reads, aside...) {
		entered[name] = true
	}
	for name := range changes {
		entered[name] = true
	}
	verbs := reflect.TypeFor[*store.Keys]()
	for i := range verbs.NumMethod() {
		if name := verbs.Method(i).Name; !entered[name] {
			t.Errorf("Keys.%s has no entry here: does it change keys?", name)
		}
		delete(entered, verbs.Method(i).Name)
	}
	for name := range entered {
		t.Errorf("there is no Keys.%s", name)
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) { change(newPair(t)) })
	}
}

// TestEveryRouteIsSeenEverywhere does the same with the routes of package admin, as its own
// description lists them.
func TestEveryRouteIsSeenEverywhere(t *testing.T) {
	reads := map[string]bool{"POST /api-keys/verify": true}
	revoked := func(path func(made store.Made) string, body func(made store.Made) string) func(*pair) {
		return func(p *pair) {
			made := p.key(store.NewKey{})
			p.changed(func() { p.ask(p.admin.Token, "POST", path(made), body(made)) })
			p.refused(made.Token, store.ErrRevoked)
		}
	}
	changes := map[string]func(p *pair){
		"POST /api-keys": func(p *pair) {
			p.changed(func() { p.ask(p.admin.Token, "POST", "/api-keys", `{"type":"secret","title":"t"}`) })
		},
		"POST /api-keys/{id}": func(p *pair) {
			made := p.key(store.NewKey{Title: "old"})
			p.changed(func() { p.ask(p.admin.Token, "POST", "/api-keys/"+made.Key.ID, `{"title":"new"}`) })
			p.equal("title", p.atB(made.Token).Title, "new")
		},
		"DELETE /api-keys/{id}": func(p *pair) {
			made := p.revoked()
			p.changed(func() { p.ask(p.admin.Token, "DELETE", "/api-keys/"+made.Key.ID, "") })
			p.refused(made.Token, store.ErrUnknownToken)
		},
		"POST /api-keys/{id}/revoke": revoked(
			func(made store.Made) string { return "/api-keys/" + made.Key.ID + "/revoke" },
			func(store.Made) string { return "" }),
		"POST /api-keys/{id}/roll": revoked(
			func(made store.Made) string { return "/api-keys/" + made.Key.ID + "/roll" },
			func(store.Made) string { return "{}" }),
		"POST /api-keys/revoke": revoked(
			func(store.Made) string { return "/api-keys/revoke" },
			func(made store.Made) string { return `{"id":"` + made.Key.ID + `"}` }),
		"POST /api-keys/self/revoke": func(p *pair) {
			made := p.key(store.NewKey{})
			p.changed(func() { p.ask(made.Token, "POST", "/api-keys/self/revoke", "") })
			p.refused(made.Token, store.ErrRevoked)
		},
		"POST /api-keys/{id}/sales-channels": func(p *pair) {
			made := p.key(store.NewKey{Type: store.Publishable})
			p.changed(func() {
				p.ask(p.admin.Token, "POST", "/api-keys/"+made.Key.ID+"/sales-channels", `{"add":["sc_1"]}`)
			})
			p.equal("channels", p.atB(made.Token).SalesChannelIDs, []string{"sc_1"})
		},
	}
	var description struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(newPair(t).ask(store.Token{}, "GET", "/openapi.json", ""), &description); err != nil {
		t.Fatal(err)
	}
	found := 0
	for path, methods := range description.Paths {
		for method := range methods {
			name := strings.ToUpper(method) + " " + path
			switch {
			case method == "get", method == "parameters", reads[name]:
				continue
			case changes[name] == nil:
				t.Errorf("%s has no entry here: does it change keys?", name)
				continue
			}
			found++
			t.Run(name, func(t *testing.T) { changes[name](newPair(t)) })
		}
	}
	if found != len(changes) {
		t.Errorf("%d of %d routes were found", found, len(changes))
	}
	t.Run("admin.LeakReports, which is mounted by itself", func(t *testing.T) {
		p := newPair(t)
		made := p.key(store.NewKey{})
		p.changed(func() {
			w := httptest.NewRecorder()
			admin.LeakReports(p.a).ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader(`{"token":"`+made.Token.Reveal()+`"}`)))
			if w.Code != http.StatusAccepted {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
		})
		p.refused(made.Token, store.ErrRevoked)
	})
}

// ask sends a request to A's routes, expects success and returns the body.
func (p *pair) ask(token store.Token, method, path, body string) []byte {
	p.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if token.Reveal() != "" {
		r.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	p.routes.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		p.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return w.Body.Bytes()
}
