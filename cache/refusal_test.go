package cache_test

import (
	"bytes"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// logged is a log that tests read.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// take returns the messages since the last call, sorted, with the word that they name.
func (l *logged) take() (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		m := regexp.MustCompile(`msg="latchkey: cache: (.*?)"(?: word=(\w+))?`).FindStringSubmatch(line)
		if m == nil {
			lines = append(lines, line)
			continue
		}
		lines = append(lines, strings.TrimSpace(m[1]+" "+m[2]))
	}
	slices.Sort(lines)
	l.buf.Reset()
	return lines
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// shopper uses a cache as an instance does, and checks each answer.
type shopper struct {
	t      *testing.T
	c      *cache.Cache
	rows   store.Store // below the cache
	record *store.Record
	title  string
}

// round is a lookup of a new key, of an unknown token, of a known key, and now and then a change.
func (s *shopper) round(change bool) {
	s.t.Helper()
	added := someRecord(nil)
	insert(s.t, s.rows, added)
	want(s.t, "a new key", title(s.t, s.c, added), "test")
	want(s.t, "a stranger", title(s.t, s.c, someRecord(nil)), "")
	if change {
		s.title += "+"
		retitle(s.t, s.c, s.record, s.title)
		s.record.Key.Title, s.record.Key.Version = s.title, s.record.Key.Version+1
	}
	want(s.t, "a known key", title(s.t, s.c, s.record), s.title)
}

// polls goes on for that many readings of the feed, in which everything is tried again and again.
func (s *shopper) polls(n uint64) {
	s.t.Helper()
	until := s.c.Stats().Polls + n
	for i := 0; s.c.Stats().Polls < until && !s.t.Failed(); i++ {
		s.round(i%5 == 0)
		time.Sleep(time.Millisecond) // lets others have the processor
	}
}

func wordsOf(f cache.Faults) [4]string {
	return [4]string{f.Read.Word, f.Write.Word, f.Publish.Word, f.Subscribe.Word}
}

func expected(r servers.Refusal) (words [4]string) {
	for i, refused := range []bool{r.Read, r.Write, r.Publish, r.Subscribe} {
		if refused {
			words[i] = r.Word
		}
	}
	return words
}

// gauges returns the labels of a metric that are 1.
func gauges(c *cache.Cache, name string) (on []string) {
	for _, m := range c.Metrics() {
		if m.Name == name && m.Value == 1 {
			on = append(on, m.Is)
		}
	}
	return on
}

// What Redis refuses is named, in the status, the metrics and one line of the log, while all
// answers stay right and changes succeed; and so is its end.
func TestARefusalIsNamed(t *testing.T) {
	for _, way := range append(servers.Refusals(), servers.WithoutScripts()) {
		t.Run("Redis "+way.Name, func(t *testing.T) {
			t.Parallel()
			server := servers.NewRedis(t, way.Args...)
			rdb, _ := client(t, server.Addr())
			log := &logged{}
			rows := store.NewMemory()
			// Five times brisk: no poll may be late, since every line of the log is compared.
			c := open(t, cache.Options{Lease: 5 * brisk, RedisTimeout: 10 * time.Second, Logger: log.logger()}, rows, rdb)
			s := &shopper{t: t, c: c, rows: rows, record: someRecord(nil), title: "test"}
			insert(t, rows, s.record)
			ends := way.Args == nil
			if ends {
				ready(t, c)
				s.polls(5)
				want(t, "faults before", c.Stats().Faults, cache.Faults{})
				want(t, "lines before", strings.Join(log.take(), "\n"), "")
			} else {
				eventually(t, "fresh and listening", func() bool { s := c.Stats(); return s.Fresh && s.Listening })
			}

			way.Begin(server)
			eventually(t, "the refusal is known", func() bool {
				s.round(true)
				return wordsOf(c.Stats().Faults) == expected(way)
			})
			began := c.Stats()
			s.polls(40)
			now := c.Stats()
			want(t, "faults", now.Faults, began.Faults) // Since, too
			if since := time.Since(now.Faults.Write.Since); way.Write && (since < 0 || since > time.Hour) {
				t.Errorf("refused since %v", since)
			}
			want(t, "listening", now.Listening, !way.Subscribe)
			if advances := way.Word == "OOM"; way.Write && !advances { // DEL comes first, and then Redis lets SET pass
				want(t, "changes that waited", now.SlowChanges-began.SlowChanges, now.Changes-began.Changes)
			}
			var operations, lines, after []string
			for i, name := range []string{"read", "write", "publish", "subscribe"} {
				if expected(way)[i] == "" {
					continue
				}
				operations = append(operations, name)
				lines = append(lines, []string{
					"Redis refuses reads; lookups go to the store " + way.Word,
					"Redis refuses writes; changes may have to wait for a lease " + way.Word,
					"Redis refuses messages to others; changes have to wait for a lease " + way.Word,
					"receiving changes through Redis fails; retrying",
				}[i])
				after = append(after, []string{
					"Redis accepts reads again", "Redis accepts writes again", "Redis accepts messages to others again",
					"receiving changes through Redis works again",
				}[i])
			}
			want(t, "redis_fault", strings.Join(gauges(c, "latchkey.cache.redis_fault"), " "), strings.Join(operations, " "))
			want(t, "redis_error", strings.Join(gauges(c, "latchkey.cache.redis_error"), " "), way.Word)
			slices.Sort(lines)
			want(t, "lines", strings.Join(log.take(), "\n"), strings.Join(lines, "\n"))
			if status := now.Faults.String(); !strings.Contains(status, "refuses ") || !strings.Contains(status, "("+way.Word+")") {
				t.Errorf("status %q", status)
			}

			if !ends {
				return
			}
			way.End(server)
			eventually(t, "all is well", func() bool {
				s.round(true)
				return c.Stats().Faults == cache.Faults{}
			})
			ready(t, c)
			s.polls(20)
			want(t, "faults afterwards", c.Stats().Faults, cache.Faults{})
			slices.Sort(after)
			want(t, "lines afterwards", strings.Join(log.take(), "\n"), strings.Join(after, "\n"))
			want(t, "metrics afterwards", len(gauges(c, "latchkey.cache.redis_fault"))+len(gauges(c, "latchkey.cache.redis_error")), 0)
			eventually(t, "a change does not wait", func() bool {
				before := c.Stats()
				s.round(true)
				now := c.Stats()
				return now.Changes > before.Changes && now.SlowChanges == before.SlowChanges
			})
		})
	}
}

// A subscription sends PING when it has received nothing for a while. Redis refuses PING while it
// cannot save to disk, and to users without the permission.
func TestASubscriptionOutlivesARefusedPing(t *testing.T) {
	for _, refuse := range []struct {
		name string
		do   func(t *testing.T, s *servers.RedisServer)
	}{
		{"because Redis cannot save", func(t *testing.T, s *servers.RedisServer) {
			for _, way := range servers.Refusals() {
				if way.Word == "MISCONF" {
					way.Begin(s)
				}
			}
		}},
		{"to this user", func(t *testing.T, s *servers.RedisServer) { s.Do("ACL", "SETUSER", "default", "-ping") }},
	} {
		t.Run(refuse.name, func(t *testing.T) {
			t.Parallel()
			server := servers.NewRedis(t)
			rdb, _ := client(t, server.Addr())
			log := &logged{}
			c := open(t, cache.Options{Lease: brisk, Logger: log.logger()}, store.NewMemory(), rdb)
			ready(t, c)
			refuse.do(t, server)
			refused := func() bool { // two rounds of earPause, as the server counts them
				_, rest, ok := strings.Cut(server.Do("INFO", "commandstats"), "cmdstat_ping:")
				line, _, _ := strings.Cut(rest, "\r")
				_, count, _ := strings.Cut(line, "rejected_calls=")
				return ok && strings.TrimLeft(count, "0123456789") != count && count[0] >= '2'
			}
			eventually(t, "two PINGs have been refused", refused)
			if !c.Stats().Listening {
				t.Error("the subscription counts as lost")
			}
			want(t, "lines", strings.Join(log.take(), "\n"), "")
		})
	}
}

func TestFaultsInAFewWords(t *testing.T) {
	at := time.Now()
	for _, test := range []struct {
		faults cache.Faults
		want   string
	}{
		{cache.Faults{}, ""},
		{cache.Faults{Write: cache.Fault{Word: "READONLY", Since: at}}, "refuses writes (READONLY)"},
		{cache.Faults{Read: cache.Fault{Word: "UNREACHABLE"}, Write: cache.Fault{Word: "UNREACHABLE"}}, "does not answer reads, writes"},
		{
			cache.Faults{
				Read: cache.Fault{Word: "NOPERM"}, Write: cache.Fault{Word: "OOM"},
				Publish: cache.Fault{Word: "NOPERM"}, Subscribe: cache.Fault{Word: "NOPERM"},
			},
			"refuses reads, messages to others, messages from others (NOPERM); refuses writes (OOM)",
		},
	} {
		want(t, "faults", test.faults.String(), test.want)
	}
}
