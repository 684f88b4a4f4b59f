//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// serve is one instance: it prints its address and serves until ctx ends.
func serve(ctx context.Context, file string) error {
	keys, done, err := open(ctx, file)
	if err != nil {
		return err
	}
	defer done()
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })
	routes := http.NewServeMux()
	guard := keyauth.WithConfig(keyauth.Config{Keys: keys, Logger: slog.New(slog.DiscardHandler)})
	routes.Handle("/latchkey", guard(hello))
	routes.Handle("/cached", (&ttlGuard{keys: keys}).Handler(hello))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Println(listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// ttlGuard is a guard as many are: it remembers for a minute that a key was good.
type ttlGuard struct {
	keys *store.Keys
	good sync.Map // tokens, with the time until when they are believed
}

func (g *ttlGuard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _, _ := r.BasicAuth()
		if until, ok := g.good.Load(token); !ok || time.Now().After(until.(time.Time)) {
			if _, err := g.keys.Authenticate(r.Context(), token, store.Secret); err != nil {
				http.Error(w, "no", http.StatusUnauthorized)
				return
			}
			g.good.Store(token, time.Now().Add(time.Minute))
		}
		next.ServeHTTP(w, r)
	})
}
