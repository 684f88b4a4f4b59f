package ui_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-go/latchkey/admin"
	keyauth "github.com/latchkey-go/latchkey/middleware"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
	"github.com/latchkey-go/latchkey/store"
)

// site is a server with the admin routes below /admin.
type site struct {
	t     *testing.T
	keys  *store.Keys
	clock atomic.Int64 // by how many nanoseconds the clock of keys is ahead
	admin store.Made   // an unrestricted secret key
	page  string       // address of the admin page

	broken  atomic.Pointer[http.HandlerFunc] // not nil: answers in the place of all
	handler http.Handler
	addr    string
	server  *http.Server
	served  chan struct{} // closed when the server has ended
}

// quiet is for what tests cause to be logged.
var quiet = slog.New(slog.DiscardHandler)

func newSite(t *testing.T) *site { t.Helper(); return newSiteWith(t, store.Options{}) }

func newSiteWith(t *testing.T, options store.Options) *site {
	t.Helper()
	s := &site{t: t}
	options.FlushInterval, options.Logger = 10*time.Millisecond, quiet
	options.Now = s.now
	keys, err := options.New(store.NewMemory())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := keys.Close(context.Background()); err != nil {
			t.Errorf("close keys: %v", err)
		}
	})
	guard := echoauth.WithConfig(keyauth.Config{Keys: keys, Types: []store.Type{store.Secret}, Logger: quiet})
	e := echo.New()
	e.HideBanner = true
	echoauth.Mount(e.Group("/admin"), admin.New(keys, admin.Options{SalesChannels: channels{}, Logger: quiet}))
	e.GET("/admin/sales-channels", listChannels, guard)
	s.keys, s.handler = keys, s.mayBreak(e)
	if options.MaxLifetime == 0 {
		s.clock.Store(-int64(300 * day))
	}
	s.admin = s.made(store.NewKey{Type: store.Secret, Title: "Back office"})
	s.clock.Store(0)
	s.serve()
	s.page = "http://" + s.addr + "/admin/ui"
	t.Cleanup(s.lose)
	return s
}

// now is what the keys, and the Date of answers, go by.
func (s *site) now() time.Time { return time.Now().Add(time.Duration(s.clock.Load())) }

// made makes a key past the routes.
func (s *site) made(in store.NewKey) store.Made {
	s.t.Helper()
	return s.madeBy(store.WithActor(context.Background(), "user_ada"), in)
}

func (s *site) madeBy(ctx context.Context, in store.NewKey) store.Made {
	s.t.Helper()
	made, err := s.keys.Create(ctx, in)
	if err != nil {
		s.t.Fatal(err)
	}
	s.clock.Add(int64(time.Millisecond)) // so that the order of the list is that of making
	return made
}

// serve starts the server, at the address that it had before.
func (s *site) serve() {
	s.t.Helper()
	addr := s.addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	server, served := &http.Server{Handler: s.handler, ReadHeaderTimeout: time.Minute}, make(chan struct{})
	s.server, s.served = server, served
	go func() {
		defer close(served)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.t.Errorf("serve: %v", err)
		}
	}()
}

// mayBreak lets broken answer, and tells the time of the keys' clock.
func (s *site) mayBreak(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
		if broken := s.broken.Load(); broken != nil {
			(*broken)(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// breaks makes the server answer everything with a status and a text, until mend is called.
func (s *site) breaks(status int, text string) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/login")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	})
	s.broken.Store(&answer)
}

func (s *site) mend() { s.broken.Store(nil) }

// lose ends the server and all of its connections.
func (s *site) lose() {
	s.t.Helper()
	if err := s.server.Close(); err != nil {
		s.t.Errorf("end the server: %v", err)
	}
	<-s.served
}

// byTitle returns a key as the store has it.
func (s *site) byTitle(title string) *store.Key {
	s.t.Helper()
	found, err := s.keys.List(context.Background(), store.Query{Filter: store.Filter{Titles: []string{title}}})
	if err != nil || len(found) != 1 {
		s.t.Fatalf("%d keys are called %q, %v", len(found), title, err)
	}
	return found[0]
}

// works reports whether a token authenticates.
func (s *site) works(token string) bool {
	s.t.Helper()
	_, err := s.keys.Authenticate(context.Background(), token)
	if err != nil && !errors.Is(err, store.ErrUnauthenticated) {
		s.t.Fatal(err)
	}
	return err == nil
}

// channels is a shop with two sales channels.
type channels struct{}

func shopChannels() []admin.SalesChannel {
	return []admin.SalesChannel{{ID: "sc_web", Name: "Web shop"}, {ID: "sc_app", Name: "Mobile app"}}
}

func (channels) ByID(_ context.Context, ids []string) ([]admin.SalesChannel, error) {
	return slices.DeleteFunc(shopChannels(), func(c admin.SalesChannel) bool { return !slices.Contains(ids, c.ID) }), nil
}

// listChannels is Medusa's route of that name, as far as the page needs it.
func listChannels(c echo.Context) error {
	var list []map[string]string
	for _, channel := range shopChannels() {
		list = append(list, map[string]string{"id": channel.ID, "name": channel.Name})
	}
	return c.JSON(http.StatusOK, map[string]any{"sales_channels": list})
}

// signIn opens the page and signs in with the token.
func (s *site) signIn(b *chromium, token string) *tab {
	s.t.Helper()
	p := b.open(s.t, s.page)
	p.focused("textbox", "Secret key")
	p.types(token)
	p.press("\r")
	p.misses("dialog", "Sign in to manage API keys")
	return p
}

// part runs a part of a test that goes on with the same site and page.
func (s *site) part(p *tab, name string, run func(*testing.T)) {
	whole := s.t
	whole.Run(name, func(t *testing.T) {
		s.t, p.t = t, t
		defer func() { s.t, p.t = whole, whole }()
		run(t)
	})
}

// day is one, for times to come.
const day = 24 * time.Hour
