package dburl_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
	"github.com/latchkey-go/latchkey/store/internal/sqldb/sqldbtest"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// lines keeps a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) has(part string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), part)
}

// instance is a program that uses keys: a pool, a cache, the keys.
type instance struct {
	log   lines
	db    *sql.DB
	rows  dburl.Store
	cache *cache.Cache
	keys  *store.Keys
}

// newInstance starts one that closes with the test. Without the address of a Redis it uses none.
func newInstance(t *testing.T, address, redisAddr string) *instance {
	t.Helper()
	d, err := dburl.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	db, err := d.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	i := &instance{db: db}
	log := slog.New(slog.NewTextHandler(&i.log, nil))
	if i.rows, err = d.Open(db, log); err != nil {
		t.Fatal(err)
	}
	var rdb redis.UniversalClient
	if redisAddr != "" {
		o := &redis.UniversalOptions{Addrs: []string{redisAddr}}
		cache.RecommendedRedisOptions(o)
		rdb = redis.NewUniversalClient(o)
		t.Cleanup(func() { rdb.Close() })
	}
	if i.cache, err = (cache.Options{Logger: log}).New(i.rows, rdb); err != nil {
		t.Fatal(err)
	}
	if i.keys, err = (store.Options{Logger: log}).New(i.cache); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := i.keys.Close(ctx); err != nil && !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("close: %v", err)
		}
	})
	return i
}

// connect fills the pool.
func (i *instance) connect(t *testing.T) {
	t.Helper()
	var all []*sql.Conn
	for range i.db.Stats().MaxOpenConnections {
		c, err := i.db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	for _, c := range all {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// lookups looks a key up as often as the pool has connections, at once, and returns how many found
// it alive.
func (i *instance) lookups(id store.LookupID) int {
	var n atomic.Int64
	var all sync.WaitGroup
	for range dburl.DefaultConns {
		all.Go(func() {
			if f, err := i.rows.Lookup(context.Background(), id, ""); err == nil && f.Record != nil && !f.Record.Key.Revoked {
				n.Add(1)
			}
		})
	}
	all.Wait()
	return int(n.Load())
}

// pair is a primary, its synchronous standby, and the URL that names both.
type pair struct {
	primary, standby *servers.PostgresServer
	between          *servers.TCPProxy // what the standby follows through
	dsn              string            // of the database on the primary
	url              string
}

func newPair(t *testing.T) *pair {
	t.Helper()
	t.Setenv("DATABASE_URL", "")
	p := &pair{primary: servers.NewPostgres(t, "synchronous_commit=remote_apply")}
	p.between = servers.Proxy(t, p.primary.Addr())
	p.dsn = p.primary.Database(t)
	p.standby = servers.NewStandby(t, p.primary, p.between.Addr(), "wal_retrieve_retry_interval=50ms")
	// With sslmode=prefer pgx has two entries for each host.
	p.url = strings.NewReplacer(p.primary.Addr(), p.primary.Addr()+","+p.standby.Addr(), "sslmode=disable", "sslmode=prefer").
		Replace(p.dsn) + "&target_session_attrs=read-write"
	return p
}

// run executes statements, one after the other, on the server that a DSN names.
func run(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	for _, statement := range statements {
		if _, err := c.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// answers returns when the standby takes changes.
func (p *pair) answers(ctx context.Context) time.Time {
	for ctx.Err() == nil {
		if c, err := pgx.Connect(ctx, p.standby.On(p.dsn)); err == nil {
			replica := true
			for replica && ctx.Err() == nil {
				err = c.QueryRow(ctx, `SELECT pg_is_in_recovery()`).Scan(&replica)
			}
			at := time.Now()
			c.Close(ctx)
			if err == nil {
				return at
			}
		}
	}
	return time.Time{}
}

// tracked is a key and what is known about it.
type tracked struct {
	id, token string
	ending    atomic.Bool // a revoke has begun
	ended     atomic.Bool // a revoke has returned success
}

// crowd is instances under load. It judges every answer.
type crowd struct {
	t         *testing.T
	instances []*instance
	mu        sync.Mutex
	keys      []*tracked
	lookups   atomic.Int64
	undecided atomic.Int64
	changes   atomic.Int64
	failed    atomic.Int64
}

func (c *crowd) anyone() *instance { return c.instances[rand.IntN(len(c.instances))] }

func (c *crowd) some() *tracked {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keys[rand.IntN(len(c.keys))]
}

// create makes n keys in one change and returns the last one, or nil.
func (c *crowd) create(i *instance, n int) (last *tracked) {
	made, err := i.keys.CreateMany(context.Background(), slices.Repeat([]store.NewKey{{Type: store.Secret}}, n))
	if !c.changed("create", err) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range made {
		last = &tracked{id: m.Key.ID, token: m.Token.Reveal()}
		c.keys = append(c.keys, last)
	}
	return last
}

// revoke reports whether the key is dead for certain.
func (c *crowd) revoke(i *instance, k *tracked) bool {
	k.ending.Store(true)
	_, err := i.keys.Revoke(context.Background(), k.id)
	if err != nil && errors.Is(err, store.ErrInvalid) && strings.Contains(err.Error(), "already revoked") {
		err = nil
	}
	if !c.changed("revoke", err) {
		return false
	}
	k.ended.Store(true)
	return true
}

func (c *crowd) changed(what string, err error) bool {
	c.changes.Add(1)
	switch {
	case err == nil:
		return true
	case !errors.Is(err, store.ErrUnavailable):
		c.t.Errorf("%s: %v", what, err)
	}
	c.failed.Add(1)
	return false
}

// use looks a key up and reports whether the answer was right and not "undecided".
func (c *crowd) use(i *instance, k *tracked) bool {
	dead := k.ended.Load()
	_, err := i.keys.Authenticate(context.Background(), k.token)
	c.lookups.Add(1)
	switch {
	case err == nil && dead:
		c.t.Errorf("key %s was accepted after its revoke had returned", k.id)
	case err == nil:
		return true
	case errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrUnauthenticated):
		c.undecided.Add(1)
		return false
	case !k.ending.Load():
		c.t.Errorf("valid key %s was refused: %v", k.id, err)
	case !errors.Is(err, store.ErrRevoked):
		c.t.Errorf("revoked key %s: %v", k.id, err)
	default:
		return true
	}
	return false
}

// run starts the load: two readers and a changer for each instance. The function that it returns
// ends it.
func (c *crowd) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	every := func(pause time.Duration, do func()) {
		all.Go(func() {
			for ctx.Err() == nil {
				do()
				select {
				case <-time.After(pause):
				case <-ctx.Done():
				}
			}
		})
	}
	for _, i := range c.instances {
		for range 2 {
			every(2*time.Millisecond, func() { c.use(i, c.some()) })
		}
		every(20*time.Millisecond, func() {
			if k := c.create(i, 1); k != nil && rand.IntN(2) == 0 {
				c.use(c.anyone(), k)
				for !c.revoke(c.anyone(), k) && ctx.Err() == nil {
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	return func() { cancel(); all.Wait() }
}

// until polls, from any goroutine, until ok holds, and reports whether it ever did.
func (c *crowd) until(what string, ok func() bool) bool {
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Errorf("still not: %s", what)
			return false
		}
	}
	return true
}

// healed waits until every instance changes keys, and looks up such as it has never seen. It
// returns when the last one did.
func (c *crowd) healed() (at time.Time) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, i := range c.instances {
		all.Go(func() {
			var k *tracked
			if !c.until("a key is made", func() bool { k = c.create(i, 1); return k != nil }) {
				return
			}
			for _, other := range c.instances {
				c.until("a new key is accepted", func() bool { return c.use(other, k) })
			}
			mu.Lock()
			at = time.Now()
			mu.Unlock()
			c.until("a key is revoked", func() bool { return c.revoke(i, k) })
		})
	}
	all.Wait()
	return at
}

// check asks the database itself: everything that returned success is there.
func (c *crowd) check(dsn string) {
	there := newInstance(c.t, dsn, "")
	for _, k := range c.keys {
		_, err := there.keys.Authenticate(context.Background(), k.token)
		switch {
		case k.ended.Load() && !errors.Is(err, store.ErrRevoked):
			c.t.Errorf("the revoke of key %s returned success and is lost: %v", k.id, err)
		case !k.ending.Load() && err != nil:
			c.t.Errorf("key %s was made with success and is lost: %v", k.id, err)
		}
	}
}

// TestFailOverMore: the primary is lost, its synchronous standby is promoted. Nothing that returned
// success is lost, no revoked key is accepted, no valid one refused, and the instances go on by
// themselves.
func TestFailOverMore(t *testing.T) {
	for _, c := range []struct {
		name  string
		redis bool
		lose  func(*servers.PostgresServer)
	}{
		{"the primary dies", true, (*servers.PostgresServer).Kill},
		{"the primary dies, without Redis", false, (*servers.PostgresServer).Kill},
		{"the primary hangs, and stays so", true, (*servers.PostgresServer).Pause},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t)
			redisAddr := ""
			if c.redis {
				redisAddr = servers.NewRedis(t).Addr()
			}
			crowd := &crowd{t: t}
			for range 3 {
				crowd.instances = append(crowd.instances, newInstance(t, p.url, redisAddr))
			}
			sqldbtest.Eventually(t, "keys are made", func() bool { return crowd.create(crowd.anyone(), 30) != nil })
			stop := crowd.run()
			var last *tracked
			sqldbtest.Eventually(t, "a key is made", func() bool { last = crowd.create(crowd.anyone(), 1); return last != nil })
			for _, i := range crowd.instances {
				sqldbtest.Eventually(t, "it is in use", func() bool { return crowd.use(i, last) })
			}
			sqldbtest.Eventually(t, "it is revoked", func() bool { return crowd.revoke(crowd.anyone(), last) })
			c.lose(p.primary)
			var answered time.Time
			var watch sync.WaitGroup
			watch.Go(func() { answered = p.answers(t.Context()) })
			p.standby.Promote()
			watch.Wait()
			healed := crowd.healed()
			stop()
			crowd.check(p.standby.On(p.dsn))
			t.Logf("healed %v after the new primary answered; %d of %d changes and %d of %d lookups failed",
				healed.Sub(answered).Round(time.Millisecond), crowd.failed.Load(), crowd.changes.Load(), crowd.undecided.Load(), crowd.lookups.Load())
		})
	}
}

// TestConnectionsThatHangAreNotTriedOneByOneMore: a pool has many of them, and each costs a
// statement its second.
func TestConnectionsThatHangAreNotTriedOneByOneMore(t *testing.T) {
	p := newPair(t)
	i := newInstance(t, p.url+"&pool_max_conns=80", "")
	made, err := i.keys.Create(t.Context(), store.NewKey{Type: store.Secret})
	if err != nil {
		t.Fatal(err)
	}
	i.connect(t)
	p.primary.Pause()
	p.standby.Promote()
	failed := 0
	sqldbtest.Eventually(t, "a lookup is answered", func() bool {
		found, err := i.rows.Lookup(t.Context(), made.Key.LookupID, "")
		if err != nil {
			failed++
		}
		return err == nil && found.Record != nil
	})
	if failed > 8 {
		t.Errorf("%d lookups failed one after the other", failed)
	}
	t.Logf("%d lookups failed one after the other", failed)
}

// TestARepeatThatFindsNothingToDoMore: a commit that the standby did not confirm can be seen on the
// primary all the same, after its caller has given up. A repeat that finds it done must not return
// success before the standby has it.
func TestARepeatThatFindsNothingToDoMore(t *testing.T) {
	p := newPair(t)
	i := newInstance(t, p.url, "")
	made, err := i.keys.Create(t.Context(), store.NewKey{Type: store.Publishable})
	if err != nil {
		t.Fatal(err)
	}
	c, err := pgx.Connect(t.Context(), p.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	revoke := func() error {
		_, err := i.keys.RevokeAll(t.Context(), store.Filter{Types: []store.Type{store.Publishable}}, time.Now())
		return err
	}

	p.between.Cut()
	if err := revoke(); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a revoke that the standby does not have: %v", err)
	}
	sqldbtest.Eventually(t, "it is committed on the primary", func() bool {
		var revoked bool
		err := c.QueryRow(t.Context(), `SELECT revoked FROM latchkey_key WHERE id = $1`, made.Key.ID).Scan(&revoked)
		return err == nil && revoked
	})
	if err := revoke(); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("its repeat: %v", err)
	}
	p.between.Heal()
	sqldbtest.Eventually(t, "the repeat returns success", func() bool { return revoke() == nil })
	p.primary.Kill()
	p.standby.Promote()
	sqldbtest.Eventually(t, "the new primary has it", func() bool {
		_, err := i.keys.Authenticate(t.Context(), made.Token.Reveal())
		return errors.Is(err, store.ErrRevoked)
	})
}

// TestLostChangesAreNoticedMore: an asynchronous standby has not got the last changes of its
// primary when it is promoted, and gives their numbers to others before any instance has read its
// feed. What was lost counts nowhere then: not in memory, not in Redis, not for instances that
// start anew.
func TestLostChangesAreNoticedMore(t *testing.T) {
	p := newPair(t)
	run(t, p.dsn, `ALTER SYSTEM SET synchronous_standby_names = ''`, `SELECT pg_reload_conf()`)
	door := servers.Proxy(t, p.standby.Addr()) // what instances reach the standby through
	url := strings.ReplaceAll(p.url, p.standby.Addr(), door.Addr())
	redisAddr := servers.NewRedis(t).Addr()
	all := []*instance{newInstance(t, url, redisAddr), newInstance(t, url, redisAddr), newInstance(t, url, "")}
	create := func(i *instance) store.Made {
		t.Helper()
		var made store.Made
		sqldbtest.Eventually(t, "a key is made", func() bool { // a busy machine may take too long
			var err error
			made, err = i.keys.Create(t.Context(), store.NewKey{Type: store.Secret})
			return err == nil
		})
		return made
	}
	authenticates := func(i *instance, k store.Made) error {
		_, err := i.keys.Authenticate(t.Context(), k.Token.Reveal())
		return err
	}
	stays := create(all[0])
	head := func(dsn string) (head int64) {
		c, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		if err := c.QueryRow(t.Context(), `SELECT head FROM latchkey_feed`).Scan(&head); err != nil {
			t.Fatal(err)
		}
		return head
	}
	after := p.standby.On(p.dsn)
	sqldbtest.Eventually(t, "the standby has it", func() bool { return head(after) == head(p.dsn) })

	door.Cut()
	p.between.Cut()
	lost := create(all[1])
	for range 3 {
		create(all[0])
	}
	for n, i := range all {
		sqldbtest.Eventually(t, "the key that will be lost is in use", func() bool {
			s := i.cache.Stats()
			return authenticates(i, lost) == nil && authenticates(i, stays) == nil && s.Fresh && s.Head == head(p.dsn)
		})
		if n == 0 {
			sqldbtest.Eventually(t, "it is in Redis", func() bool { return i.cache.Stats().Fills >= 2 })
		}
	}
	was := head(p.dsn)
	p.primary.Kill()
	p.standby.Promote()
	d, err := dburl.Parse(after)
	if err != nil {
		t.Fatal(err)
	}
	db, err := d.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	others, err := d.Open(db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer others.Close(context.Background())
	keys := store.New(others)
	for head(after) <= was+1 {
		if _, err := keys.Create(t.Context(), store.NewKey{Type: store.Publishable}); err != nil {
			t.Fatal(err)
		}
	}
	for n, i := range all {
		if s := i.cache.Stats(); s.WentBack != 0 {
			t.Fatalf("instance %d has noticed before it could: %+v", n, s)
		}
	}
	door.Heal()

	for n, i := range all {
		sqldbtest.Eventually(t, "it is noticed", func() bool { return i.cache.Stats().WentBack > 0 })
		if !i.log.has("the feed went back") {
			t.Errorf("instance %d has not logged it", n)
		}
	}
	refused := func(n int, i *instance) {
		t.Helper()
		sqldbtest.Eventually(t, "the lost key is unknown", func() bool {
			err := authenticates(i, lost)
			if err == nil {
				t.Fatalf("instance %d accepts a key that has been lost", n)
			}
			return errors.Is(err, store.ErrUnknownToken)
		})
	}
	for n, i := range all {
		refused(n, i)
		sqldbtest.Eventually(t, "everything works again", func() bool {
			s := i.cache.Stats()
			return authenticates(i, stays) == nil && s.Fresh && (!s.Redis || s.RedisReady)
		})
		refused(n, i)
	}
	refused(len(all), newInstance(t, url, redisAddr))
	revoked := create(all[1])
	for _, i := range all {
		sqldbtest.Eventually(t, "a new key is in use", func() bool { return authenticates(i, revoked) == nil })
	}
	sqldbtest.Eventually(t, "it is revoked", func() bool {
		_, err := all[0].keys.Revoke(t.Context(), revoked.Key.ID)
		return err == nil
	})
	for n, i := range all {
		if err := authenticates(i, revoked); err == nil {
			t.Errorf("instance %d accepts a key that was revoked after the loss", n)
		}
		if s := i.cache.Stats(); s.WentBack != 1 {
			t.Errorf("instance %d has noticed %d times", n, s.WentBack)
		}
	}
}

func TestAPrimaryThatBecomesReadOnlyMore(t *testing.T) {
	p := newPair(t)
	i := newInstance(t, p.url, "")
	create := func() (store.Made, error) { return i.keys.Create(t.Context(), store.NewKey{Type: store.Secret}) }
	made, err := create()
	if err != nil {
		t.Fatal(err)
	}
	i.connect(t) // new connections are refused by a server that takes no changes
	if n := i.lookups(made.Key.LookupID); n != dburl.DefaultConns {
		t.Fatalf("%d lookups", n)
	}

	set := func(to string) {
		run(t, p.dsn, `ALTER SYSTEM SET default_transaction_read_only = `+to, `SELECT pg_reload_conf()`)
	}
	set("on")
	sqldbtest.Eventually(t, "changes fail, by name", func() bool {
		_, err := create()
		if err == nil {
			return false
		}
		if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, store.ErrReadOnly) || !strings.Contains(err.Error(), "takes no changes") {
			t.Errorf("Create: %v", err)
		}
		return true
	})
	if err := i.rows.Ready(t.Context()); !errors.Is(err, store.ErrReadOnly) || !strings.Contains(err.Error(), "default_transaction_read_only") {
		t.Errorf("Ready: %v", err)
	}
	for range 5 {
		if n := i.lookups(made.Key.LookupID); n != dburl.DefaultConns {
			t.Errorf("%d lookups, while there is no other server", n)
		}
		_, _ = create()
	}
	set("off")
	sqldbtest.Eventually(t, "changes work again", func() bool { _, err := create(); return err == nil })

	i.connect(t)
	set("on")
	p.between.Cut()
	p.standby.Promote()
	sqldbtest.Eventually(t, "changes go to the new primary", func() bool { made, err = create(); return err == nil })
	for range 5 { // with no connection to the old one, which does not have the key
		if n := i.lookups(made.Key.LookupID); n != dburl.DefaultConns {
			t.Errorf("%d lookups went to the new primary", n)
		}
	}
	if err := i.rows.Ready(t.Context()); err != nil {
		t.Errorf("Ready: %v", err)
	}
}

// TestTheOldPrimaryComesBackMore as it was, which is for the operator to prevent: a program that
// starts then cannot know better. Those that run keep to the new one; when that is lost they go
// back, and say that keys have been lost.
func TestTheOldPrimaryComesBackMore(t *testing.T) {
	p := newPair(t)
	i := newInstance(t, p.url, "")
	first, err := i.keys.Create(t.Context(), store.NewKey{Type: store.Secret})
	if err != nil {
		t.Fatal(err)
	}
	p.primary.Kill()
	p.standby.Promote()
	sqldbtest.Eventually(t, "a key is revoked at the new primary", func() bool {
		_, err := i.keys.Revoke(t.Context(), first.Key.ID)
		return err == nil
	})
	p.primary.Restart()
	for range 5 { // each of which makes connections
		if n := i.lookups(first.Key.LookupID); n > dburl.DefaultConns/2 { // some, on a busy machine
			t.Errorf("%d lookups of an instance that runs went to the old primary", n)
		}
	}
	late := newInstance(t, p.url, "")
	if _, err := late.keys.Authenticate(t.Context(), first.Token.Reveal()); err != nil {
		t.Logf("an instance that starts: %v", err)
	}
	if _, err := late.keys.Create(t.Context(), store.NewKey{Type: store.Secret}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a change that no standby confirms: %v", err)
	}
	p.standby.Kill()
	const says = "the feed went back"
	sqldbtest.Eventually(t, "it is noticed", func() bool { return i.log.has(says) })
}
