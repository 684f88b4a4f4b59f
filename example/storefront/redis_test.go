package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// redisInUse waits until the cache works with Redis.
func (p *program) redisInUse() {
	p.t.Helper()
	p.wait("Redis is in use", func() bool { return strings.Contains(p.get("/readyz").body, `"redis":"in use"`) })
}

// redisHits waits until a second instance, which has nothing in its memory, has been answered from
// Redis.
func redisHits(t *testing.T, url string) {
	t.Helper()
	address := "DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "one.db")
	p := start(t, t.TempDir(), address, "REDIS_URL="+url)
	pk, _ := p.firstKeys()
	p.redisInUse()
	p.get("/store/products", publishableKey(pk)).expect(t, 200)
	p.wait("a hit in Redis", func() bool {
		other := start(t, t.TempDir(), address, "REDIS_URL="+url)
		other.prepared()
		other.redisInUse()
		other.get("/store/products", publishableKey(pk)).expect(t, 200)
		metrics := other.get("/metrics").expect(t, 200).body
		other.stop()
		return strings.Contains(metrics, "\nlatchkey_cache_lookups_total{layer=\"redis\"} 1\n")
	})
	p.stop()
}

func TestRedisURL(t *testing.T) {
	t.Run("one server", func(t *testing.T) {
		redisHits(t, servers.NewRedis(t).URL())
	})
	t.Run("one server with a password and a database", func(t *testing.T) {
		server := servers.NewRedis(t)
		client := redis.NewClient(&redis.Options{Addr: server.Addr()})
		defer client.Close()
		if err := client.ConfigSet(t.Context(), "requirepass", "p@ss").Err(); err != nil {
			t.Fatal(err)
		}
		redisHits(t, "redis://:p%40ss@"+server.Addr()+"/5")
	})
	t.Run("a Cluster", func(t *testing.T) {
		server := servers.NewRedis(t, "--cluster-enabled", "yes")
		client := redis.NewClient(&redis.Options{Addr: server.Addr()})
		defer client.Close()
		if err := client.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
			t.Fatal(err)
		}
		redisHits(t, "redis+cluster://"+server.Addr())
	})
	t.Run("a Sentinel", func(t *testing.T) {
		server := servers.NewRedis(t)
		redisHits(t, "redis+sentinel://"+sentinel(t, server.Addr())+"/shop")
	})
}

// sentinel starts a Sentinel that knows the server at address as "shop", and returns the address it
// answers at. Lines are added to its configuration.
func sentinel(t *testing.T, address string, config ...string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	listens := servers.FreeAddress(t)
	_, own, err := net.SplitHostPort(listens)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "sentinel.conf") // it writes to it
	if err := os.WriteFile(file, fmt.Appendf(nil, "bind 127.0.0.1\nport %s\nsentinel monitor shop %s %s 1\n%s\n",
		own, host, port, strings.Join(config, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "redis-server", file, "--sentinel")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // t.Context has ended, and so has the process
		_ = cmd.Wait()
	})
	client := redis.NewSentinelClient(&redis.Options{Addr: listens})
	defer client.Close()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		found, err := client.GetMasterAddrByName(t.Context(), "shop").Result()
		if err == nil && slices.Equal(found, []string{host, port}) {
			return listens
		}
		if time.Now().After(deadline) {
			t.Fatalf("the Sentinel does not answer: %v, %v", found, err)
		}
	}
}

func TestRedisOutOfReachAtTheStart(t *testing.T) {
	server := servers.NewRedis(t)
	server.Stop()
	p := start(t, t.TempDir(), "REDIS_URL="+server.URL())
	pk, sk := p.firstKeys()
	p.get("/readyz").expect(t, 200, `"redis":"not in use"`)
	p.get("/store/products", publishableKey(pk)).expect(t, 200)
	p.get("/store/products", publishableKey(mint(t, store.Publishable))).expect(t, 401)
	p.ask("POST", "/admin/api-keys", `{"title":"x","type":"secret"}`, secretKey(sk)).expect(t, 200)
	server.Restart()
	p.redisInUse()
	p.get("/store/products", publishableKey(pk)).expect(t, 200)
	p.stop()
}

func TestKnownKeysAreAnsweredFromRedisWhileTheDatabaseIsAway(t *testing.T) {
	pg, server := servers.NewPostgres(t), servers.NewRedis(t)
	p := start(t, t.TempDir(), "DATABASE_URL="+pg.Database(t), "REDIS_URL="+server.URL())
	pk, _ := p.firstKeys()
	p.redisInUse()
	p.wait("the key is in Redis", func() bool {
		p.get("/store/regions", publishableKey(pk)).expect(t, 200)
		return strings.Contains(p.get("/metrics").body, "\nlatchkey_cache_fills_total 1\n")
	})
	pg.Stop()
	var r reply
	p.wait("the guard lets the key in and the shop has no database", func() bool {
		r = p.get("/store/regions", publishableKey(pk))
		return strings.Contains(r.body, "The shop cannot answer")
	})
	if r.expect(t, 503, `"type":"unavailable"`).header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	pg.Restart()
	p.wait("200 when the database is back", func() bool { return p.get("/store/regions", publishableKey(pk)).status == 200 })
	p.stop()
}
