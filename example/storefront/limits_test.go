package main

import (
	"path/filepath"
	"testing"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// threeADay makes a key that may be used three times in a window that no test outlasts, and returns
// it as a header.
func threeADay(t *testing.T, p *program, secret string) string {
	t.Helper()
	made := p.ask("POST", "/admin/api-keys?fields=%2Brate_limit", `{"title":"ERP","type":"secret","rate_limit":{"requests":3,"window":86400}}`, secretKey(secret)).
		expect(t, 200, `"rate_limit":{"requests":3,"window":86400}`)
	return secretKey(made.field(t, "api_key", "token").(string))
}

func TestLimitedKeys(t *testing.T) {
	p := start(t, t.TempDir())
	_, sk := p.firstKeys()
	erp := threeADay(t, p, sk)
	first := p.get("/api/orders", erp).expect(t, 200)
	if policy, rate := first.header.Get("RateLimit-Policy"), first.header.Get("RateLimit"); policy != `"secret-key";q=3;w=86400` || rate != `"secret-key";r=2;t=57600` {
		t.Errorf("%s, %s", policy, rate)
	}
	p.get("/admin/api-keys", erp).expect(t, 200)
	p.get("/admin/sales-channels", erp).expect(t, 200)
	for _, path := range []string{"/api/orders", "/admin/api-keys", "/admin/sales-channels"} {
		refused := p.get(path, erp).expect(t, 429, `{"type":"too_many_requests","message":"Too many requests; try again later"}`)
		if refused.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
	}
	p.get("/api/orders", secretKey(sk)).expect(t, 200)
	p.stop()
}

func TestInstancesWithRedisShareLimits(t *testing.T) {
	server := servers.NewRedis(t)
	env := []string{"DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "one.db"), "REDIS_URL=" + server.URL()}
	a := start(t, t.TempDir(), env...)
	_, sk := a.firstKeys()
	b := start(t, t.TempDir(), env...)
	b.prepared()
	a.redisInUse()
	b.redisInUse()
	erp := threeADay(t, a, sk)
	refusal := func(p *program) int {
		for n := range 3 {
			if p.get("/api/orders", erp).status == 429 {
				return n
			}
		}
		return 3
	}
	refusal(a)
	// Counting by itself, it would let three through. (Where Redis is slow for a moment, it lets
	// one through.)
	if n := refusal(b); n == 3 {
		t.Error("the other instance does not know what the first one has let through")
	}
	a.stop()
	b.stop()
}

func TestMaxFailures(t *testing.T) {
	p := start(t, t.TempDir(), "MAX_FAILURES=3")
	_, sk := p.firstKeys()
	unknown := secretKey(mint(t, store.Secret))
	for range 3 {
		p.get("/api/orders", unknown).expect(t, 401)
	}
	p.get("/api/orders", unknown).expect(t, 429, "Too many failed attempts from this address")
	p.get("/api/orders", secretKey(sk)).expect(t, 429)
	p.get("/api/orders").expect(t, 401)
	p.get("/healthz").expect(t, 200)
	p.stop()
}
