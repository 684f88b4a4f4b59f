package ratelimit_test

import (
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/middleware/ratelimit"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// TestRedisCountsAsTheProcessDoes is store's TestLimiterCountsRequestsAgainstTheLimit against the
// script. Redis's clock cannot be moved; what it has written down can.
func TestRedisCountsAsTheProcessDoes(t *testing.T) {
	rdb, _ := client(t, servers.NewRedis(t).Addr(), patient)
	l := newLimiter(t, ratelimit.Options{Timeout: patient}, rdb)
	// want takes one and compares; the time to wait is compared up to a minute, which is how long
	// the test may take.
	want := func(t *testing.T, id string, limit store.RateLimit, allowed bool, remaining int, retry time.Duration) {
		t.Helper()
		d := l.take(id, limit)
		if d.Allowed != allowed || d.Remaining != remaining || d.RetryAfter > retry || d.RetryAfter < retry-time.Minute {
			t.Errorf("got %+v, want %v, %d left, retry after %s", d, allowed, remaining, retry)
		}
	}
	t.Run("all requests of a window may come at once, and no more", func(t *testing.T) {
		want(t, "burst", threeIn3h, true, 2, 0)
		want(t, "burst", threeIn3h, true, 1, 0)
		want(t, "burst", threeIn3h, true, 0, time.Hour)
		want(t, "burst", threeIn3h, false, 0, time.Hour)
	})
	t.Run("each comes back after its share of the window", func(t *testing.T) {
		l.allowed("refill", threeIn3h, 3)
		pass(t, rdb, "refill", 50*time.Minute)
		want(t, "refill", threeIn3h, false, 0, 10*time.Minute)
		pass(t, rdb, "refill", 10*time.Minute)
		want(t, "refill", threeIn3h, true, 0, time.Hour)
		pass(t, rdb, "refill", 2*time.Hour)
		want(t, "refill", threeIn3h, true, 1, 0)
	})
	t.Run("after a year, all of them are back and none is saved up", func(t *testing.T) {
		l.allowed("full", threeIn3h, 3)
		pass(t, rdb, "full", 365*24*time.Hour)
		want(t, "full", threeIn3h, true, 2, 0)
		if n := l.allowed("full", threeIn3h, 5); n != 2 {
			t.Errorf("%d more were allowed, want 2", n)
		}
	})
	t.Run("a single request in a window", func(t *testing.T) {
		if n := l.allowed("single", store.RateLimit{Requests: 1, Window: time.Hour}, 5); n != 1 {
			t.Errorf("%d were allowed", n)
		}
	})
	t.Run("who keeps the pace is never refused", func(t *testing.T) {
		for i := range 100 {
			if d := l.take("steady", threeIn3h); !d.Allowed {
				t.Fatalf("request %d: %+v", i, d)
			}
			pass(t, rdb, "steady", time.Hour)
		}
	})
	t.Run("refused requests take nothing", func(t *testing.T) {
		l.allowed("refused", threeIn3h, 100)
		want(t, "refused", threeIn3h, false, 0, time.Hour)
	})
	t.Run("keys do not share", func(t *testing.T) {
		l.allowed("mine", threeIn3h, 4)
		want(t, "yours", threeIn3h, true, 2, 0)
	})
	t.Run("a clock that is set back makes nobody wait for longer than a window", func(t *testing.T) {
		l.allowed("back", threeIn3h, 3)
		pass(t, rdb, "back", -24*time.Hour)
		want(t, "back", threeIn3h, false, 0, time.Hour)
		pass(t, rdb, "back", time.Hour)
		want(t, "back", threeIn3h, true, 0, time.Hour)
		want(t, "back", threeIn3h, false, 0, time.Hour)
	})
	t.Run("a limit that is lowered counts at once, and makes nobody wait for what the old one allowed", func(t *testing.T) {
		l.allowed("lowered", store.RateLimit{Requests: 100, Window: 1000 * time.Hour}, 100)
		want(t, "lowered", threeIn3h, false, 0, time.Hour)
		pass(t, rdb, "lowered", time.Hour)
		want(t, "lowered", threeIn3h, true, 0, time.Hour)
	})
	t.Run("a limit that allows nothing allows nothing", func(t *testing.T) {
		for i, limit := range []store.RateLimit{{}, {Requests: 5}, {Window: time.Minute}, {Requests: -5, Window: time.Minute}} {
			id := "none " + strconv.Itoa(i)
			if d := l.take(id, limit); d.Allowed || d.RetryAfter <= 0 {
				t.Errorf("%+v: %+v", limit, d)
			}
			if n := rdb.Exists(t.Context(), redisKey(id)).Val(); n != 0 {
				t.Errorf("%+v: something is kept", limit)
			}
			l.take(id, threeIn3h)
			if d := l.take(id, limit); d.Allowed {
				t.Errorf("%+v, after a better limit: %+v", limit, d)
			}
		}
	})
	t.Run("limits beyond reason are counted all the same", func(t *testing.T) {
		for i, limit := range []store.RateLimit{
			{Requests: math.MaxInt, Window: time.Second}, {Requests: math.MaxInt, Window: math.MaxInt64}, {Requests: math.MaxInt32, Window: time.Second}, {Requests: 3, Window: math.MaxInt64},
		} {
			id := "huge " + strconv.Itoa(i)
			first, second := l.take(id, limit), l.take(id, limit)
			if !first.Allowed || !second.Allowed || first.Remaining < second.Remaining {
				t.Errorf("%+v: %+v, %+v", limit, first, second)
			}
		}
		if n := l.allowed("huge 3", store.RateLimit{Requests: 3, Window: math.MaxInt64}, 5); n != 1 {
			t.Errorf("%d more of the third limit's 3, want 1", n)
		}
	})
	t.Run("Redis forgets a key when all of its requests are back", func(t *testing.T) {
		for _, taken := range []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour, 3 * time.Hour} {
			l.take("forgotten", threeIn3h)
			if ttl := rdb.PTTL(t.Context(), redisKey("forgotten")).Val(); ttl > taken || ttl < taken-time.Minute {
				t.Errorf("forgotten in %s, want %s", ttl, taken)
			}
		}
		for _, key := range rdb.Keys(t.Context(), "*").Val() {
			if ttl := rdb.PTTL(t.Context(), key).Val(); ttl == -1 || !strings.HasPrefix(key, "latchkey:rate:") {
				t.Errorf("%s is kept for ever, or under another name", key)
			}
		}
	})
	if s := l.Stats(); s.Fallback != 0 || s.Errors != 0 || !s.Redis {
		t.Errorf("not everything was counted in Redis: %+v", s)
	}
}

func TestARequestCostsOneCommand(t *testing.T) {
	rdb, sent := client(t, servers.NewRedis(t).Addr(), patient)
	if err := rdb.Ping(t.Context()).Err(); err != nil { // the connection is made now
		t.Fatal(err)
	}
	sent.take()
	l := newLimiter(t, ratelimit.Options{Timeout: patient}, rdb)
	expect := func(want map[string]int) {
		t.Helper()
		if got := sent.take(); !maps.Equal(got, want) {
			t.Errorf("sent %v, want %v", got, want)
		}
	}
	expect(map[string]int{}) // making a Limiter asks nothing
	l.take("a", threeIn3h)
	expect(map[string]int{"evalsha": 1, "eval": 1}) // the first one brings the script
	l.allowed("a", threeIn3h, 10)
	l.allowed("b", threeIn3h, 10)
	expect(map[string]int{"evalsha": 20})
	if err := rdb.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	sent.take()
	l.take("c", threeIn3h)
	l.take("c", threeIn3h)
	expect(map[string]int{"evalsha": 2, "eval": 1})
	if s := l.Stats(); s.Counted != 23 || s.Fallback != 0 {
		t.Errorf("%+v", s)
	}
}

func TestInstancesShareALimit(t *testing.T) {
	server := servers.NewRedis(t)
	a, _ := client(t, server.Addr(), patient)
	b, _ := client(t, server.Addr(), patient)
	one, other := newLimiter(t, ratelimit.Options{Timeout: patient}, a), newLimiter(t, ratelimit.Options{Timeout: patient}, b)
	t.Run("one after the other", func(t *testing.T) {
		if n := one.allowed("k", threeIn3h, 2) + other.allowed("k", threeIn3h, 2) + one.allowed("k", threeIn3h, 2); n != 3 {
			t.Errorf("%d requests were allowed, want 3", n)
		}
	})
	t.Run("all at once", func(t *testing.T) {
		limit := store.RateLimit{Requests: 100, Window: 100 * time.Hour}
		var wg sync.WaitGroup
		allowed := make(chan int, 20)
		for i := range cap(allowed) {
			l := one
			if i%2 == 0 {
				l = other
			}
			wg.Go(func() { allowed <- l.allowed("many", limit, 10) })
		}
		wg.Wait()
		close(allowed)
		total := 0
		for n := range allowed {
			total += n
		}
		if total != 100 {
			t.Errorf("%d requests were allowed, want 100", total)
		}
	})
	t.Run("but not with another prefix", func(t *testing.T) {
		apart := newLimiter(t, ratelimit.Options{Timeout: patient, KeyPrefix: "staging"}, b)
		if n := apart.allowed("k", threeIn3h, 5); n != 3 {
			t.Errorf("%d requests were allowed, want 3", n)
		}
	})
}

func TestACluster(t *testing.T) {
	server := servers.NewRedis(t, "--cluster-enabled", "yes")
	rdb, _ := client(t, server.Addr(), patient)
	if err := rdb.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.Addr()}})
	defer cluster.Close()
	eventually(t, "the cluster works", func() bool { return cluster.Set(t.Context(), "x", "1", 0).Err() == nil })
	l := newLimiter(t, ratelimit.Options{Timeout: patient}, cluster)
	for i := range 20 { // in different slots
		if n := l.allowed(fmt.Sprintf("apk_%d", i), threeIn3h, 4); n != 3 {
			t.Errorf("key %d: %d requests were allowed, want 3", i, n)
		}
	}
	if s := l.Stats(); s.Counted != 80 || s.Fallback != 0 {
		t.Errorf("%+v", s)
	}
}

func TestNonsenseInRedisUnlimitsNobody(t *testing.T) {
	rdb, _ := client(t, servers.NewRedis(t).Addr(), patient)
	l := newLimiter(t, ratelimit.Options{Timeout: patient}, rdb)
	for _, value := range []string{"", "x", "-1", "1e400", "inf", "-inf", "nan", "99999999999999999999999", "1.5"} {
		id := "nonsense " + value
		if err := rdb.Set(t.Context(), redisKey(id), value, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if n := l.allowed(id, threeIn3h, 10); n > 3 {
			t.Errorf("%q: %d requests were allowed", value, n)
		}
	}
	if err := rdb.LPush(t.Context(), redisKey("list"), "x").Err(); err != nil {
		t.Fatal(err)
	}
	if n := l.allowed("list", threeIn3h, 10); n != 3 {
		t.Errorf("a list: %d requests were allowed, want 3, counted in the process", n)
	}
}
