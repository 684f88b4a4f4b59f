//go:build unix

package keyauth_test

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/scrypt"

	"github.com/latchkey-go/latchkey/cache"
	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// BenchmarkScrypt compares the processor time of what Medusa does for each request (scrypt with
// N=16384, r=8, p=1, 64 bytes) with that of a whole warm request through the net/http guard, in
// turns. Processor time, not time: it is the same on a busy machine.
func BenchmarkScrypt(b *testing.B) {
	const requests = 50_000
	keys := store.New(cache.New(store.NewMemory(), nil))
	closeAfter(b, keys)
	made, err := keys.Create(b.Context(), store.NewKey{Type: store.Secret})
	if err != nil {
		b.Fatal(err)
	}
	h := keyauth.WithConfig(keyauth.Config{Keys: keys})(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	r := request("Authorization", "Bearer "+made.Token.Reveal())
	if got := serve(h, r); got.Code != http.StatusNoContent {
		b.Fatalf("%d %s", got.Code, got.Body)
	}
	token, salt := []byte(made.Token.Reveal()), []byte("0123456789abcdef0123456789abcdef")
	d := &discard{h: http.Header{}}
	var ours, theirs, ratios []float64
	for b.Loop() {
		began := processorTime(b)
		if _, err := scrypt.Key(token, salt, 16384, 8, 1, 64); err != nil {
			b.Fatal(err)
		}
		middle := processorTime(b)
		for range requests {
			clear(d.h)
			h.ServeHTTP(d, r)
		}
		medusa, warm := float64(middle-began), float64(processorTime(b)-middle)/requests
		ours, theirs, ratios = append(ours, warm), append(theirs, medusa), append(ratios, medusa/warm)
	}
	b.ReportMetric(median(ours), "cpu-ns/request")
	b.ReportMetric(median(theirs), "cpu-ns/scrypt")
	b.ReportMetric(median(ratios), "ratio")
}

// processorTime is what this process has used so far, in the kernel too.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
