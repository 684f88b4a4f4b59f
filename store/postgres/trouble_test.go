package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/internal/sqldb/sqldbtest"
	"github.com/latchkey-go/latchkey/store/postgres"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// impatient bounds statements so that a server that hangs is found out quickly.
var impatient = postgres.Options{Logger: quiet.Logger, Timeout: 200 * time.Millisecond}

func TestAServerThatHangs(t *testing.T) {
	server := servers.NewPostgres(t)
	db := pool(t, server.Database(t))
	s := open(t, db, impatient)
	ctx := t.Context() // has no deadline: the store's own is what ends the wait
	insert := func(n int, before func()) error {
		_, err := s.Change(ctx, store.Actor{}, func(tx store.Tx) error {
			err := tx.Insert(ctx, sqldbtest.Record(n), sqldbtest.Event(store.Created))
			before()
			return err
		})
		return err
	}
	if err := insert(1, func() {}); err != nil {
		t.Fatal(err)
	}

	server.Pause()
	if _, err := s.Lookup(ctx, sqldbtest.LookupID(1), ""); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Lookup: %v", err)
	}
	if err := insert(2, func() { t.Error("the change got the lock") }); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Change: %v", err)
	}
	if err := s.Ready(ctx); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Ready: %v", err)
	}
	server.Resume()
	sqldbtest.Eventually(t, "ready after the pause", func() bool { return s.Ready(ctx) == nil })

	if err := insert(3, server.Pause); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a change whose last statements the server does not answer: %v", err)
	}
	server.Resume()
	sqldbtest.Eventually(t, "a change after the pause", func() bool { return insert(4, func() {}) == nil })
	if found, err := s.Lookup(ctx, sqldbtest.LookupID(1), ""); err != nil || found.Record == nil {
		t.Errorf("Lookup after the pause: %v", err)
	}
}

func TestAServerThatCrashesAndComesBack(t *testing.T) {
	server := servers.NewPostgres(t)
	s := open(t, pool(t, server.Database(t)), quiet)
	ctx := t.Context()
	if _, err := s.Change(ctx, store.Actor{}, func(tx store.Tx) error {
		err := tx.Insert(ctx, sqldbtest.Record(1), sqldbtest.Event(store.Created))
		server.Kill()
		return err
	}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a change whose commit is lost: %v", err)
	}
	if _, err := s.Lookup(ctx, sqldbtest.LookupID(1), ""); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Lookup: %v", err)
	}
	server.Restart()
	sqldbtest.Eventually(t, "ready", func() bool { return s.Ready(ctx) == nil })
	if n, err := s.Count(ctx, store.Filter{}); n != 0 || err != nil {
		t.Errorf("%d keys, %v", n, err)
	}
}

// Nobody can know whether a COMMIT took place whose answer never comes.
func TestACommitWithoutAnAnswer(t *testing.T) {
	server := servers.NewPostgres(t)
	dsn := server.Database(t)
	proxy := servers.Proxy(t, server.Addr())
	db, log := sqldbtest.Open(t, "pgx", throughProxy(t, dsn, proxy.Addr()))
	s := open(t, db, impatient)
	ctx := t.Context()
	if _, err := s.Change(ctx, store.Actor{}, func(tx store.Tx) error {
		err := tx.Append(ctx, nil, sqldbtest.Event(store.Updated))
		_, err2 := tx.Events(ctx, store.EventQuery{}) // writes what is pending, so that COMMIT is all that is left
		proxy.Hang()
		log.Take()
		return errors.Join(err, err2)
	}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Change: %v", err)
	}
	if sent := log.Take(); len(sent) == 0 || sent[0] != "COMMIT" {
		t.Errorf("after the proxy hung, the change sent %q", sent)
	}
	proxy.Heal()
	sqldbtest.Eventually(t, "ready", func() bool { return s.Ready(ctx) == nil })
}
