package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/scrypt"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// set is a set of names.
type set map[string]bool

// named returns the metrics that a text names. What Prometheus adds to the names of histograms is
// taken away.
func named(text string) set {
	names := set{}
	for _, name := range regexp.MustCompile(`\blatchkey_[a-z0-9_]+`).FindAllString(text, -1) {
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			if strings.HasSuffix(name, "_seconds"+part) {
				name = strings.TrimSuffix(name, part)
			}
		}
		names[name] = true
	}
	return names
}

// without returns what is in s and not in other, sorted.
func (s set) without(other set) []string {
	return slices.Sorted(maps.Keys(maps.Collect(func(yield func(string, bool) bool) {
		for name := range s {
			if !other[name] && !yield(name, true) {
				return
			}
		}
	})))
}

func docs(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// exported runs the program through everything that makes a metric appear, and returns their names.
func exported(t *testing.T) set {
	t.Helper()
	dir := t.TempDir()
	p := start(t, dir, "REDIS_URL="+servers.Redis(t).URL())
	pk, _ := p.firstKeys()
	p.redisInUse()
	p.get("/store/products", publishableKey(pk)).expect(t, 200)

	// An imported Medusa key, for scrypt.
	token, salt := "sk_"+strings.Repeat("0123456789abcdef", 4), hex.EncodeToString([]byte("0123456789abcdef"))
	hash, err := scrypt.Key([]byte(token), []byte(salt), 16384, 8, 1, 64)
	if err != nil {
		t.Fatal(err)
	}
	database, err := parseDatabase("sqlite:" + filepath.Join(dir, "latchkey.db"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := database.Open(db, nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := store.New(rows)
	key := store.Key{ID: "apk_old", Type: store.Secret, Title: "ERP", Redacted: token[:6] + "***" + token[len(token)-3:], CreatedAt: store.TimeOf(time.Now()), UpdatedAt: store.TimeOf(time.Now())}
	if _, err := keys.Import(t.Context(), []store.ImportKey{{Key: key, Salt: salt, Hash: hash}}, false); err != nil {
		t.Fatal(err)
	}
	if err := keys.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	p.get("/api/orders", secretKey(token)).expect(t, 200)

	names := set{}
	for line := range strings.Lines(p.get("/metrics").expect(t, 200).body) {
		if name, ok := strings.CutPrefix(line, "# TYPE latchkey_"); ok {
			name, _, _ = strings.Cut(name, " ")
			names["latchkey_"+name] = true
		}
	}
	p.stop()
	return names
}

func TestMetricsAreThoseOfTheDocs(t *testing.T) {
	exports := exported(t)
	if len(exports) < 40 {
		t.Fatalf("only %d metrics: %v", len(exports), exports)
	}
	text := docs(t, "operations.md")
	begin, end := strings.Index(text, "## Metrics"), strings.Index(text, "## Alerts")
	if begin < 0 || end < begin {
		t.Fatal("docs/operations.md has no part about metrics, and one about alerts after it")
	}
	for _, source := range []struct {
		name, text string
		all        bool // it must name every metric
	}{
		{"operations.md, Metrics", text[begin:end], true},
		{"operations.md, Alerts", text[end:strings.Index(text, "## Traces")], false},
		{"grafana-dashboard.json", docs(t, "grafana-dashboard.json"), true},
		{"prometheus-alerts.yml", docs(t, "prometheus-alerts.yml"), false},
	} {
		names := named(source.text)
		if unknown := names.without(exports); len(unknown) > 0 {
			t.Errorf("%s names what is not exported: %v", source.name, unknown)
		}
		if missing := exports.without(names); source.all && len(missing) > 0 {
			t.Errorf("%s does not name %v", source.name, missing)
		}
		if len(names) == 0 {
			t.Errorf("%s names no metric", source.name)
		}
	}
}

func TestAlertsAreThoseOfTheDocs(t *testing.T) {
	alerts := func(text, pattern string) (names []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			names = append(names, m[1]+" "+m[2])
		}
		return names
	}
	rules := alerts(docs(t, "prometheus-alerts.yml"), `(?s)alert: (\w+)\n.*?severity: (\w+)`)
	table := alerts(docs(t, "operations.md"), `(?m)^\| (Latchkey\w+) \((\w+)\) \|`)
	if len(rules) < 10 || !slices.Equal(rules, table) {
		t.Errorf("rules %v\ntable %v", rules, table)
	}
}

func TestDashboardCanBeImported(t *testing.T) {
	var dashboard struct {
		Title         string
		SchemaVersion int
		Panels        []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr, RefID string }
		}
	}
	if err := json.Unmarshal([]byte(docs(t, "grafana-dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	if dashboard.Title == "" || dashboard.SchemaVersion == 0 || len(dashboard.Panels) < 20 {
		t.Errorf("%+v", dashboard)
	}
	taken := map[[2]int]string{} // fields of the grid
	ids := map[int]bool{}
	for _, p := range dashboard.Panels {
		if ids[p.ID] {
			t.Errorf("%s: the id %d is taken", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%s shows nothing", p.Title)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies over %s or beyond the edge", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}
