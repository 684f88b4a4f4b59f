package main

import (
	"context"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/middleware/ratelimit"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// An instance whose Redis refuses something is ready, says what, and answers all requests.
func TestReadinessWhileRedisRefuses(t *testing.T) {
	for _, way := range servers.Refusals() {
		t.Run("Redis "+way.Name, func(t *testing.T) {
			t.Parallel()
			server := servers.NewRedis(t)
			p := start(t, t.TempDir(), "REDIS_URL="+server.URL())
			pk, sk := p.firstKeys()
			p.redisInUse()
			way.Begin(server)
			refuses := regexp.MustCompile(`"redis":"refuses (reads|writes|messages)[^"]* \(` + way.Word + `\)"`)
			p.wait("the refusal is known", func() bool {
				made := p.ask("POST", "/admin/api-keys", `{"title":"x","type":"secret","scopes":["orders:read"]}`, secretKey(sk)).expect(t, 200)
				p.get("/api/orders", secretKey(made.field(t, "api_key", "token").(string))).expect(t, 200)
				p.get("/store/products", publishableKey(pk)).expect(t, 200)
				p.get("/store/products", publishableKey(mint(t, store.Publishable))).expect(t, 401)
				return refuses.MatchString(p.get("/readyz").expect(t, 200, `"status":"ready"`).body)
			})
			metrics := p.get("/metrics").body
			for _, name := range []string{"read", "write", "publish", "subscribe"} {
				refused := map[string]bool{
					"read": way.Read, "write": way.Write, "publish": way.Publish, "subscribe": way.Subscribe,
				}[name]
				if got := strings.Contains(metrics, "\nlatchkey_cache_redis_fault{operation=\""+name+"\"} 1\n"); got && !refused {
					t.Errorf("%s counts as refused", name)
				}
			}
			if !strings.Contains(metrics, "\nlatchkey_cache_redis_error{word=\""+way.Word+"\"} 1\n") {
				t.Errorf("no metric names %s", way.Word)
			}
			way.End(server)
			p.redisInUse()
			p.stop()
		})
	}
}

func TestReadinessWithoutTheDatabaseWhileRedisCannotSave(t *testing.T) {
	pg, server := servers.NewPostgres(t), servers.NewRedis(t)
	p := start(t, t.TempDir(), "DATABASE_URL="+pg.Database(t), "REDIS_URL="+server.URL())
	pk, _ := p.firstKeys()
	p.redisInUse()
	p.wait("the key is in Redis", func() bool {
		p.get("/store/regions", publishableKey(pk)).expect(t, 200)
		return strings.Contains(p.get("/metrics").body, "\nlatchkey_cache_fills_total 1\n")
	})
	for _, way := range servers.Refusals() {
		if way.Word == "MISCONF" { // Redis refuses a PING as well, and answers lookups
			way.Begin(server)
		}
	}
	pg.Stop()
	p.wait("degraded, and ready", func() bool {
		r := p.get("/readyz")
		return r.status == 200 && strings.Contains(r.body, `"status":"degraded"`)
	})
	p.stop()
}

// aclOfTheDocs returns the words of the user that docs/operations.md recommends, after "user".
func aclOfTheDocs(t *testing.T) []string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^user (latchkey on >change-me .*)$`).FindStringSubmatch(docs(t, "operations.md"))
	if found == nil {
		t.Fatal("docs/operations.md has no line that begins with user latchkey")
	}
	return strings.Fields(found[1])
}

func TestTheRedisUserOfTheDocs(t *testing.T) {
	rules := aclOfTheDocs(t)
	t.Run("is enough for an instance", func(t *testing.T) {
		server := servers.NewRedis(t)
		server.Do(append([]string{"ACL", "SETUSER"}, rules...)...)
		redisHits(t, "redis://latchkey:change-me@"+server.Addr())
	})
	t.Run("is enough for a Cluster, with what is said about it", func(t *testing.T) {
		server := servers.NewRedis(t, "--cluster-enabled", "yes")
		server.Do("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
		server.Do(append([]string{"ACL", "SETUSER"}, append(rules, inDocs(t, "+cluster|slots"))...)...)
		redisHits(t, "redis+cluster://latchkey:change-me@"+server.Addr())
	})
	t.Run("is enough for another database, with what is said about it", func(t *testing.T) {
		server := servers.NewRedis(t)
		server.Do(append([]string{"ACL", "SETUSER"}, append(rules, inDocs(t, "+select"))...)...)
		redisHits(t, "redis://latchkey:change-me@"+server.Addr()+"/5")
	})
	t.Run("is enough for Sentinels, with what is said about them", func(t *testing.T) {
		server := servers.NewRedis(t)
		server.Do(append([]string{"ACL", "SETUSER"}, rules...)...)
		watch := inDocs(t, "+sentinel|get-master-addr-by-name +sentinel|sentinels +subscribe &*")
		address := sentinel(t, server.Addr(), "user watch on >secret -@all "+watch)
		redisHits(t, "redis+sentinel://latchkey:change-me@"+address+"/shop?sentinel_username=watch&sentinel_password=secret")
	})
	for i, rule := range rules {
		command, ok := strings.CutPrefix(rule, "+")
		if !ok {
			continue
		}
		t.Run("needs "+command, func(t *testing.T) {
			t.Parallel()
			less := slices.Concat([]string{"ACL", "SETUSER"}, rules[:i], rules[i+1:])
			if faults, limits := inUse(t, less, true); faults == (cache.Faults{}) && limits == (ratelimit.Fault{}) {
				t.Error("and does not")
			}
		})
	}
	t.Run("needs nothing more", func(t *testing.T) {
		t.Parallel()
		all := append([]string{"ACL", "SETUSER"}, rules...)
		if faults, limits := inUse(t, all, false); faults != (cache.Faults{}) || limits != (ratelimit.Fault{}) {
			t.Errorf("%v, %v", faults, limits)
		}
	})
}

// inDocs returns rule, if docs/operations.md names it.
func inDocs(t *testing.T, rule string) string {
	t.Helper()
	if !strings.Contains(docs(t, "operations.md"), "`"+rule+"`") {
		t.Errorf("docs/operations.md does not name %s", rule)
	}
	return rule
}

// inUse makes a user and does everything with it that an instance does, until something is refused
// or, unless a refusal is waited for, until all is in use. It returns what was refused.
func inUse(t *testing.T, user []string, refusal bool) (cache.Faults, ratelimit.Fault) {
	t.Helper()
	server := servers.NewRedis(t)
	server.Do(user...)
	options, err := cache.ParseRedisURL("redis://latchkey:change-me@" + server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	options.ReadTimeout = patience
	rdb := redis.NewUniversalClient(options)
	t.Cleanup(func() { _ = rdb.Close() })
	silent := slog.New(slog.DiscardHandler)
	c, err := cache.Options{Lease: 100 * time.Millisecond, RedisTimeout: patience, Logger: silent}.New(store.NewMemory(), rdb)
	if err != nil {
		t.Fatal(err)
	}
	keys := store.New(c)
	t.Cleanup(func() { _ = keys.Close(context.Background()) })
	limits, err := ratelimit.Options{Timeout: patience, Logger: silent}.New(rdb)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		made, err := keys.Create(t.Context(), store.NewKey{Type: store.Secret})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Authenticate(t.Context(), made.Token.Reveal()); err != nil {
			t.Error(err)
		}
		title := "changed"
		if _, err := keys.Update(t.Context(), made.Key.ID, store.Patch{Title: &title}); err != nil {
			t.Error(err)
		}
		if _, err := limits.Take(t.Context(), made.Key.ID, store.RateLimit{Requests: 10, Window: time.Second}); err != nil {
			t.Error(err)
		}
		now, counted := c.Stats(), limits.Stats()
		refused := now.Faults != (cache.Faults{}) || counted.Fault != (ratelimit.Fault{})
		if refused || !refusal && now.Fills > 0 && now.RedisReady && now.Listening && counted.Counted > 0 {
			return now.Faults, counted.Fault
		}
		if time.Now().After(deadline) {
			if refusal {
				return now.Faults, counted.Fault
			}
			t.Fatalf("neither refused nor in use: %+v", now)
		}
	}
}
