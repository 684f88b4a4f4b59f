package soak_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

const (
	// patience is how long the test waits for what should happen at once or in a second or two.
	// Machines that run tests can be slow.
	patience = 60 * time.Second
	// stateHeader is the one of that name in folder instance.
	stateHeader = "Soak-State"
)

// setup is what a world is made from. The zero value: five instances with the default options.
type setup struct {
	instances int
	strict    bool
	flags     []string // more, for the instances
	direct    bool     // no proxies: for measuring, where nothing will be cut
	settings  []string // of PostgreSQL
	pooled    bool     // the instances reach PostgreSQL through PgBouncer, in transaction mode
	redis     func(testing.TB) redisSide
	shared    bool     // the PostgreSQL server is one of all tests, and will not be hurt
	sqlite    bool     // a file instead of PostgreSQL, and no Redis
	programs  []string // those of the instances, one each; nil: all run the one of this tree
}

// redisSide is Redis in one of its forms.
type redisSide interface {
	// address returns the REDIS_URL of an instance and, where there is one, the proxy in it.
	address(t testing.TB, direct bool) (string, *servers.TCPProxy)
	// faults are those that only this form has.
	faults() []fault
}

// world is a group of instances on their servers, with clients.
type world struct {
	t        testing.TB
	began    time.Time
	client   *http.Client
	setup    setup
	dir      string
	pg       *servers.PostgresServer  // nil: SQLite
	bouncer  *servers.PgBouncerServer // nil: none
	dsn      string                   // of the database, past all proxies
	redis    redisSide                // nil: none
	all      []*instance
	tolerant bool // the two-fault exception exists: not in strict mode
	rng      *rand.Rand

	// mayLose: Redis may have lost writes, and not all instances are known to have been told.
	mayLose atomic.Bool
	report  report
	ledger  ledger
	admin   *key
	mint    *store.Keys // makes tokens that no instance knows
	probes  chan struct{}
	aside   sync.WaitGroup // probes under way
}

// newWorld starts everything and returns when all instances are ready.
func newWorld(t testing.TB, s setup, seed uint64) *world {
	t.Helper()
	if s.instances == 0 {
		s.instances = 5
	}
	if s.redis == nil && !s.sqlite {
		s.redis = newStandalone
	}
	if s.strict {
		s.flags = append(s.flags, "-strict")
	}
	w := &world{
		t: t, began: time.Now(), tolerant: !s.strict, rng: rand.New(rand.NewPCG(seed, 0)), setup: s, dir: t.TempDir(),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}, Timeout: patience},
		mint:   store.New(store.NewMemory()), probes: make(chan struct{}, 100),
	}
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		_ = w.mint.Close(context.Background())
	})
	w.report.begin("start")
	if s.sqlite {
		w.dsn = "sqlite:" + filepath.Join(w.dir, "keys.db")
	} else {
		if s.shared {
			w.pg = servers.Postgres(t)
		} else {
			w.pg = servers.NewPostgres(t, s.settings...)
		}
		w.redis = s.redis(t)
		w.dsn = w.pg.Database(t)
	}
	if s.pooled {
		w.bouncer = servers.NewPgBouncer(t, w.pg, documented(t)...)
	}
	for n := range s.instances {
		i := w.place()
		if n < len(s.programs) {
			i.program = s.programs[n]
		}
		i.start()
	}
	w.settle()
	w.eventually("the first key is made", func() bool {
		made := w.create(w.all[0], 1)
		if len(made) == 1 {
			w.admin = made[0]
		}
		return w.admin != nil
	})
	return w
}

// place makes room for one more instance, whose process has not been started yet. No clients may be
// at work.
func (w *world) place() *instance {
	w.t.Helper()
	n := len(w.all)
	i := &instance{
		t: w.t, n: n, program: os.Getenv(programEnv), flags: w.setup.flags,
		log: filepath.Join(w.dir, fmt.Sprintf("instance-%d.log", n)),
	}
	w.all = append(w.all, i)
	i.env = []string{"DATABASE_URL=" + w.dsn}
	if w.setup.sqlite {
		return i
	}
	dsn, err := url.Parse(w.dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.bouncer != nil {
		dsn.Host, dsn.RawQuery = w.bouncer.Addr(), dsn.RawQuery+"&default_query_exec_mode=exec"
	}
	if !w.setup.direct {
		i.db = servers.Proxy(w.t, dsn.Host)
		dsn.Host = i.db.Addr()
	}
	var address string
	address, i.redis = w.redis.address(w.t, w.setup.direct)
	i.env = []string{"DATABASE_URL=" + dsn.String(), "REDIS_URL=" + address}
	return i
}

// present returns the instances that are part of the group: neither not there yet nor gone.
func (w *world) present() []*instance {
	there := make([]*instance, 0, len(w.all))
	for _, i := range w.all {
		if !i.away.Load() {
			there = append(there, i)
		}
	}
	return there
}

// documented returns the settings of PgBouncer in docs/operations.md.
func documented(t testing.TB) []string {
	t.Helper()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(page), "\n```ini\n")
	block, _, ended := strings.Cut(block, "\n```\n")
	if !found || !ended {
		t.Fatal("docs/operations.md has no ini block")
	}
	return strings.Split(block, "\n")
}

func (w *world) now() moment { return moment(time.Since(w.began)) + 1 }

// anyone returns some instance, and only rarely one that is killed or stopped: else all clients
// would soon wait for that one.
func (w *world) anyone() *instance {
	for {
		i := w.all[rand.IntN(len(w.all))]
		if i.away.Load() {
			continue
		}
		if disabled, _ := i.health(); !disabled || rand.IntN(50) == 0 {
			return i
		}
	}
}

// eventually polls until ok, and fails the test when that takes too long.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("still not: %s", what)
		}
	}
}

// hold lets a fault last.
func (w *world) hold(d time.Duration) { time.Sleep(d) }

// settle waits until every instance uses its memory and Redis again, and notes how long that took.
func (w *world) settle() {
	w.t.Helper()
	from := time.Now()
	for _, i := range w.present() {
		var last state
		var err error
		for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			if last, err = i.stats(w.client); err == nil && last.normal(w.redis != nil) {
				break
			}
			if time.Now().After(deadline) {
				w.t.Fatalf("instance %d does not recover: %v, %+v", i.n, err, last)
			}
		}
	}
	w.report.recovered(time.Since(from))
	w.mayLose.Store(false)
}

// ask sends one request to an instance, with the key's token, and returns what came back, not
// judged yet.
func (w *world) ask(i *instance, k *key, token, method, path, body string) (answer, []byte) {
	before, faults := i.health() // first: the address may be that of a process which is being killed
	r, err := http.NewRequest(method, *i.base.Load()+path, strings.NewReader(body))
	if err != nil {
		panic(err) // the path is ours
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("X-Api-Key", token)
	}
	a := answer{key: k, instance: i.n, began: w.now()}
	got, err := w.client.Do(r)
	var content []byte
	if err == nil {
		content, err = io.ReadAll(got.Body)
		got.Body.Close()
	}
	a.ended = w.now()
	after, faultsThen := i.health()
	a.excused = before || after || faults != faultsThen
	if err != nil {
		a.err = err
		return a, nil
	}
	a.status, a.retryAfter = got.StatusCode, got.Header.Get("Retry-After")
	var freshBefore, freshAfter bool
	var errorsBefore, errorsAfter uint64
	if _, err := fmt.Sscan(got.Header.Get(stateHeader), &freshBefore, &freshAfter, &errorsBefore, &errorsAfter); err != nil {
		a.err = fmt.Errorf("header %s: %w", stateHeader, err)
	}
	a.stale = !freshBefore || !freshAfter
	a.redisFailed = errorsBefore != errorsAfter
	return a, content
}

// use sends the token to the guarded route and has the answer judged.
func (w *world) use(i *instance, k *key, token string) answer {
	a, body := w.ask(i, k, token, http.MethodGet, "/key", "")
	a.lookup = true
	if a.status == http.StatusOK {
		var shown struct {
			ID      string
			Version int64
		}
		if err := json.NewDecoder(bytes.NewReader(body)).Decode(&shown); err != nil {
			a.err = err
		}
		a.version = shown.Version
	}
	w.judge(a)
	return a
}

// judge has an answer judged and counted.
func (w *world) judge(a answer) verdict {
	v := judge(a, w.tolerant, w.mayLose.Load())
	w.report.count(a, v)
	return v
}

// probe uses the key at every instance at once, without waiting for the answers: they are judged
// when they come.
func (w *world) probe(k *key) {
	for _, i := range w.present() {
		select {
		case w.probes <- struct{}{}:
		default:
			continue // so many answers of a stopped instance are outstanding
		}
		w.aside.Go(func() {
			w.use(i, k, k.token)
			<-w.probes
		})
	}
}
