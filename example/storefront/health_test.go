package main

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

func TestReadiness(t *testing.T) {
	pg, redis := servers.NewPostgres(t), servers.NewRedis(t)
	p := start(t, t.TempDir(), "DATABASE_URL="+pg.Database(t), "REDIS_URL="+redis.URL())
	pk, _ := p.firstKeys()
	p.redisInUse()
	p.wait("messages are heard", func() bool { return p.get("/readyz").field(t, "listening") == true })
	ready := func(status int, parts ...string) func() bool {
		return func() bool {
			r := p.get("/readyz")
			for _, part := range parts {
				if r.status != status || r.field(t, "status") == nil || !strings.Contains(r.body, part) {
					return false
				}
			}
			return true
		}
	}
	p.get("/readyz").expect(t, 200, `"status":"ready"`, `"database":"ok"`, `"prepared":true`, `"members":1`, `"feed_age_ms":`)
	p.wait("the key is in Redis", func() bool {
		p.get("/store/regions", publishableKey(pk)).expect(t, 200)
		return strings.Contains(p.get("/metrics").body, "\nlatchkey_cache_fills_total 1\n")
	})

	pg.Stop()
	p.wait("degraded, and ready, while Redis answers for known keys", ready(200, `"status":"degraded"`, `"database":"unavailable"`, `"members":null`))
	p.get("/healthz").expect(t, 200)
	redis.Pause()
	p.get("/readyz").expect(t, 503, `"status":"unavailable"`, `"redis":"not in use"`) // also before any request has found out
	redis.Resume()
	p.wait("degraded when Redis goes on", ready(200, `"status":"degraded"`, `"redis":"in use"`))
	redis.Stop()
	p.get("/readyz").expect(t, 503, `"status":"unavailable"`, `"redis":"not in use"`)
	p.get("/healthz").expect(t, 200)
	pg.Restart()
	unknown := 0
	p.wait("ready without Redis", func() bool {
		for range 10 { // lookups that fail are how the cache finds out that Redis is gone
			unknown++
			p.get("/store/regions", publishableKey(fmt.Sprintf("pk_%064x", unknown)))
		}
		return ready(200, `"status":"ready"`, `"redis":"not in use"`, `"listening":false`)()
	})
	p.stop()
}

func TestDraining(t *testing.T) {
	t.Run("is told to probes while requests are answered as before", func(t *testing.T) {
		p := start(t, t.TempDir(), "DRAIN_DELAY=10m") // until the second signal
		pk, _ := p.firstKeys()
		p.get("/readyz").expect(t, 200)
		p.signal(syscall.SIGTERM)
		p.waitForLog("msg=draining")
		p.get("/readyz").expect(t, 503, `"status":"draining"`)
		p.get("/healthz").expect(t, 200)
		if r := p.get("/store/products", publishableKey(pk)).expect(t, 200); !r.closed {
			t.Error("the connection stays open, to a program that is about to stop")
		}
		p.signal(syscall.SIGTERM) // has enough
		p.exit()
		if strings.Contains(p.stderr.String(), "msg=stopping") {
			t.Error("a second signal does not end it at once")
		}
	})
	t.Run("ends, and what is in memory is written", func(t *testing.T) {
		dir := t.TempDir()
		p := start(t, dir, "DRAIN_DELAY=100ms")
		pk, sk := p.firstKeys()
		p.get("/store/products", publishableKey(pk)).expect(t, 200)
		p.stop()
		if said := p.stderr.String(); !regexp.MustCompile(`(?s)msg=draining.*msg=stopping.*msg=stopped`).MatchString(said) {
			t.Errorf("not in this order: draining, stopping, stopped\n%s", said)
		}
		p = start(t, dir)
		p.prepared()
		for _, key := range p.get("/admin/api-keys?type=publishable", secretKey(sk)).expect(t, 200).field(t, "api_keys").([]any) {
			if key.(map[string]any)["last_used_at"] == nil {
				t.Error("last_used_at was not written")
			}
		}
		p.stop()
	})
}
