package keyauth_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// Sixteen times as many header values, parameters and cookies, and sixteen times as long ones, cost
// about sixteen times as much. What grows with the square would cost 256 times as much.
func TestRequirement35HeadersAreReadInLinearTime(t *testing.T) {
	keys := store.New(store.NewMemory())
	t.Cleanup(func() { _ = keys.Close(t.Context()) })
	guard := keyauth.WithConfig(keyauth.Config{
		Keys: keys, Types: []store.Type{store.Secret, store.Publishable}, Optional: true,
		Extractors: []keyauth.Extractor{
			keyauth.Bearer, keyauth.Basic, keyauth.Header("X-Api-Key"), keyauth.Query("key"), keyauth.Cookie("key"),
		},
	})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	many := func(name, value string) func(int) http.Header {
		return func(n int) http.Header {
			h := http.Header{}
			for range n {
				h.Add(name, value)
			}
			return h
		}
	}
	long := func(name, before, piece string) func(int) http.Header {
		return func(n int) http.Header { return http.Header{name: {before + strings.Repeat(piece, n*20)}} }
	}
	for name, header := range map[string]func(int) http.Header{
		"many Authorization":    many("Authorization", "Bearer sk_x"),
		"many Basic":            many("Authorization", "Basic c2tfeDo="),
		"many of other schemes": many("Authorization", "Digest a=b, c=d"),
		"many X-Api-Key":        many("X-Api-Key", "sk_x"),
		"many empty":            many("X-Api-Key", ""),
		"many cookies":          many("Cookie", "key=sk_x; other=y"),
		"many request ids":      many("X-Request-Id", "sk_x"),
		"a long Bearer":         long("Authorization", "Bearer ", "a,"),
		"a long Basic":          long("Authorization", "Basic ", "= "),
		"spaces":                long("Authorization", "Bearer ", " "),
		"a long X-Api-Key":      long("X-Api-Key", "", "sk_,"),
		"a long Cookie":         long("Cookie", "", "key=sk_;"),
		"a long request id":     long("X-Request-Id", "", "sk_"),
		"a long Origin":         long("Origin", "https://", "a/"),
		"a long query":          func(n int) http.Header { return http.Header{"Query": {strings.Repeat("key=sk_x&", n*4)}} },
	} {
		serve := func(n int) (time.Duration, uint64) {
			h := header(n)
			target := "/"
			if query := h.Get("Query"); query != "" {
				target += "?" + query
			}
			r := httptest.NewRequest("GET", target, nil)
			r.Header = h
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			guard.ServeHTTP(httptest.NewRecorder(), r)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			return took, after.TotalAlloc - before.TotalAlloc
		}
		var quotient, memory float64
		for range 10 { // another program may have taken the machine
			few, allocatedFew := serve(200)
			lots, allocatedLots := serve(3200)
			quotient, memory = float64(lots)/float64(few), float64(allocatedLots)/float64(allocatedFew)
			if quotient <= 100 && memory <= 32 {
				break
			}
		}
		if quotient > 100 || memory > 32 {
			t.Errorf("%s: 16 times as much costs %.0f times the time and %.0f times the memory", name, quotient, memory)
		}
	}
}
