package admin_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

// BenchmarkWorstQueries is what an authenticated client can make the parsers do with one request.
func BenchmarkWorstQueries(b *testing.B) {
	for name, query := range map[string]string{
		"a plain list":   "limit=20",
		"1000 bad times": "created_at[]=" + strings.Repeat("2026-01-02 03:04:05 pmx,", 999) + "x",
		"1000 names":     strings.Repeat("a[b][c][d]=x&", 999),
		"1000 other names": func() string {
			var s strings.Builder
			for i := range 999 {
				s.WriteString(time.Duration(i).String() + "=1&")
			}
			return s.String()
		}(),
		"100 kB of bracket": strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000),
	} {
		b.Run(name, func(b *testing.B) {
			api := admin.New(store.New(withAdmin{store.NewMemory()}), admin.Options{})
			r := httptest.NewRequest("GET", "/api-keys", nil)
			r.URL.RawQuery = query
			r = r.WithContext(store.NewContext(r.Context(), adminKey()))
			for b.Loop() {
				api.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}
