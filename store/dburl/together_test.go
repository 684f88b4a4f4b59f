package dburl_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// withoutListen is what the URL has behind a pooler. There, and here, LISTEN is not used.
const withoutListen = "&default_query_exec_mode=exec"

// Leases. With aged, a process that is not woken polls every 15 s, and a change that waits does so
// for a minute.
const (
	brisk = 40 * time.Millisecond
	aged  = time.Minute
)

// process is what one program has.
type process struct {
	log   lines
	rows  dburl.Store
	cache *cache.Cache
	keys  *store.Keys
}

// start opens the keys of a database without Redis.
func start(t testing.TB, address string, conns int, o cache.Options) *process {
	t.Helper()
	d, err := dburl.Parse(address)
	must(t, err)
	db, err := d.Connect()
	must(t, err)
	t.Cleanup(func() { db.Close() })
	if conns > 0 {
		db.SetMaxOpenConns(conns)
	}
	p := &process{}
	o.Logger = slog.New(slog.NewTextHandler(&p.log, nil))
	p.rows, err = d.Open(db, o.Logger)
	must(t, err)
	p.cache, err = o.New(p.rows, nil)
	must(t, err)
	p.keys, err = store.Options{Logger: o.Logger, FlushInterval: -1}.New(p.cache)
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := p.keys.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	eventually(t, "the feed has been read", func() bool { return o.ChangesOnly || p.cache.Stats().Fresh })
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

// databases are those that several processes without Redis may share. lease is one with which a
// change that nobody acknowledges in time would be noticed.
func databases(t testing.TB) map[string]struct {
	address string
	lease   time.Duration
} {
	pg := servers.Postgres(t)
	return map[string]struct {
		address string
		lease   time.Duration
	}{
		"SQLite":                    {"sqlite:" + filepath.Join(t.TempDir(), "keys.db"), aged},
		"PostgreSQL":                {pg.Database(t), aged},
		"PostgreSQL without LISTEN": {pg.Database(t) + withoutListen, 4 * time.Second},
	}
}

// changes creates a key at one process and revokes it at the other, and so on; each time both must
// know at once.
func changes(t *testing.T, all []*process, times int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	for i := range times {
		by, other := all[i%len(all)], all[(i+1)%len(all)]
		made, err := by.keys.Create(ctx, store.NewKey{Type: store.Secret, Title: "one of many"})
		must(t, err)
		token := made.Token.Reveal()
		for _, p := range all {
			if _, err := p.keys.Authenticate(ctx, token); err != nil {
				t.Errorf("created: %v", err)
			}
		}
		_, err = other.keys.Revoke(ctx, made.Key.ID)
		must(t, err)
		if _, err = other.keys.Revoke(ctx, made.Key.ID); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("revoked again: %v", err)
		}
		change, err := other.cache.Change(ctx, store.Actor{}, func(store.Tx) error { return nil })
		if err != nil || change.Last != 0 {
			t.Errorf("a change that finds nothing to do: %+v, %v", change, err)
		}
		for n, p := range all {
			if _, err := p.keys.Authenticate(ctx, token); err == nil {
				t.Errorf("process %d takes a key that has been revoked", n)
			}
		}
	}
}

func wantQuick(t *testing.T, all ...*process) {
	t.Helper()
	for n, p := range all {
		s := p.cache.Stats()
		if s.SlowChanges > 0 || s.MissingAcks > 0 || s.Changes == 0 {
			t.Errorf("process %d: %d changes, of which %d waited for a lease, for %d acknowledgements", n, s.Changes, s.SlowChanges, s.MissingAcks)
		}
		if p.log.has("level=WARN") {
			t.Errorf("process %d warns:\n%s", n, p.log.text.String())
		}
	}
}

func TestProcessesWithoutRedisAcknowledgeInTheDatabase(t *testing.T) {
	for name, db := range databases(t) {
		t.Run(name, func(t *testing.T) {
			o := cache.Options{Lease: db.lease}
			all := []*process{start(t, db.address, 0, o), start(t, db.address, 1, o)} // one of them with a single connection
			changes(t, all, 2)
			if db.lease == aged {
				changes(t, all, 10)
			}
			wantQuick(t, all...)
			t.Run("so do programs for the sake of one that only changes keys", func(t *testing.T) {
				o.ChangesOnly = true
				tool := start(t, db.address, 0, o)
				for range 2 {
					made, err := tool.keys.Create(t.Context(), store.NewKey{Type: store.Secret, Title: "by a tool"})
					must(t, err)
					for _, p := range all {
						_, err := p.keys.Authenticate(t.Context(), made.Token.Reveal())
						must(t, err)
					}
					_, err = tool.keys.Revoke(t.Context(), made.Key.ID)
					must(t, err)
					for _, p := range all {
						if _, err := p.keys.Authenticate(t.Context(), made.Token.Reveal()); err == nil {
							t.Error("a process takes a key that the tool has revoked")
						}
					}
				}
				wantQuick(t, tool)
			})
		})
	}
}

func TestAChangeWithoutRedisWaitsForWhoDoesNotAcknowledge(t *testing.T) {
	for name, db := range databases(t) {
		t.Run(name, func(t *testing.T) {
			p := start(t, db.address, 0, cache.Options{Lease: brisk})
			create := func() {
				t.Helper()
				_, err := p.keys.Create(t.Context(), store.NewKey{Type: store.Secret, Title: "waits"})
				must(t, err)
			}
			want := func(slow, missing uint64) {
				t.Helper()
				if s := p.cache.Stats(); s.SlowChanges != slow || s.MissingAcks != missing {
					t.Errorf("%d changes waited for a lease, for %d acknowledgements; want %d and %d", s.SlowChanges, s.MissingAcks, slow, missing)
				}
			}
			create()
			want(0, 0)
			must(t, p.rows.Join(t.Context(), store.Member{ID: "silent", Lease: brisk, TTL: time.Hour}))
			create()
			want(1, 1)
			if !p.log.has("unacknowledged_by=[silent]") {
				t.Errorf("the log does not name it:\n%s", p.log.text.String())
			}
			feed, err := p.rows.Feed(t.Context(), 0, 1)
			must(t, err)
			must(t, p.rows.Acknowledge(t.Context(), "silent", feed.Head, feed.Tag)) // not of the next one
			create()
			want(2, 2)
			must(t, p.rows.Leave(t.Context(), "silent"))

			kill := member(t, db.address)
			create()
			want(2, 2)
			kill()
			create()
			want(3, 3)
		})
	}
}

// member starts a process that uses the keys, and returns what kills it.
func member(t *testing.T, address string) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestMember$", "-test.v")
	cmd.Env = append(os.Environ(), "LATCHKEY_TEST_MEMBER="+address)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe() // it ends when this closes
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = in.Close()
	}
	t.Cleanup(kill)
	for said := bufio.NewScanner(out); ; {
		if !said.Scan() {
			t.Fatal("the process does not become ready")
		}
		if strings.Contains(said.Text(), "is ready") {
			return kill
		}
	}
}

// TestMember is the process of member.
func TestMember(t *testing.T) {
	address := os.Getenv("LATCHKEY_TEST_MEMBER")
	if address == "" {
		return
	}
	start(t, address, 0, cache.Options{Lease: 2 * time.Second})
	fmt.Println("is ready")
	_, _ = io.ReadAll(os.Stdin)
}

func TestUseOfKeysWakesNobody(t *testing.T) {
	address := "sqlite:" + filepath.Join(t.TempDir(), "keys.db")
	all := []*process{start(t, address, 0, cache.Options{Lease: aged}), start(t, address, 0, cache.Options{Lease: aged})}
	made, err := all[0].keys.Create(t.Context(), store.NewKey{Type: store.Secret, Title: "used"})
	must(t, err)
	before := all[1].cache.Stats().Polls
	for i := range 50 {
		must(t, all[0].rows.Touch(t.Context(), []store.Use{{KeyID: made.Key.ID, At: time.Now().Add(time.Duration(i) * time.Second)}}))
	}
	if polls := all[1].cache.Stats().Polls - before; polls > 1 { // one every 15 s
		t.Errorf("50 notes of a use led to %d polls", polls)
	}
	changes(t, all, 2)
}

func TestALostListenIsMadeAgain(t *testing.T) {
	address := servers.Postgres(t).Database(t)
	all := []*process{start(t, address, 0, cache.Options{Lease: aged}), start(t, address, 0, cache.Options{Lease: aged})}
	changes(t, all, 2)
	conn, err := pgx.Connect(t.Context(), address)
	must(t, err)
	defer conn.Close(context.Background())
	listening := func() (n int) {
		must(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`).Scan(&n))
		return n
	}
	eventually(t, "both listen", func() bool { return listening() == 2 })
	_, err = conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`)
	must(t, err)
	changes(t, all, 2)
	wantQuick(t, all...)
	eventually(t, "both listen again", func() bool { return listening() == 2 })
}

// BenchmarkChange measures what a change takes when two processes share a database and have no
// Redis.
func BenchmarkChange(b *testing.B) {
	for name, db := range databases(b) {
		b.Run(name, func(b *testing.B) {
			p := start(b, db.address, 0, cache.Options{})
			start(b, db.address, 0, cache.Options{})
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				made, err := p.keys.Create(b.Context(), store.NewKey{Type: store.Secret, Title: "measured"})
				must(b, err)
				time.Sleep(time.Duration(i*37%250) * time.Millisecond) // at any moment between two polls
				began := time.Now()
				if _, err := p.keys.Revoke(b.Context(), made.Key.ID); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2])/1e6, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
		})
	}
}
