package store_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestArrows holds the shape of the module: every arrow points at store, and the packages that
// users mount do not know one another.
func TestArrows(t *testing.T) {
	const module = "github.com/latchkey-go/latchkey/"
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.ImportPath}} {{join .Deps \" \"}}", module+"...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	// Suites and tools may depend on everything.
	suites := []string{
		"internal/benchtable", "internal/loadtest", "internal/sdk", "internal/security", "internal/soak", "internal/timing", "internal/tools",
	}
	// What a package may depend on, of this module and of others' modules; by the package's own
	// path.
	allowed := map[string][]string{
		"store":                {module + "internal/principal", module + "internal/meter", module + "internal/observe", "github.com/oklog/ulid/v2", "golang.org/x/crypto/"},
		"store/internal/sqldb": {module + "store", module + "internal/meter"},
		"store/sqlite":         {module + "store", module + "store/internal/sqldb"},
		"store/postgres":       {module + "store", module + "store/internal/sqldb"},
		"store/storetest":      {module + "store", module + "internal/observe"},
		"store/telemetry":      {module + "store", module + "internal/observe", "go.opentelemetry.io/otel"},
		"internal/redisfault":  {}, // internal packages import none above store
		"internal/observe":     {},
		"internal/guard":       {module + "store", module + "internal/observe", module + "internal/principal"},
		"internal/meter":       {},
		"internal/principal":   {},
		"cache":                {module + "store", module + "internal/observe", module + "internal/redisfault", "github.com/redis/go-redis/v9", "github.com/maypok86/otter/v2"},
		"middleware":           {module + "store", module + "internal/guard"},
		"middleware/echov4":    {module + "store", module + "internal/guard", module + "middleware", "github.com/labstack/echo/v4"},
		"middleware/echov5":    {module + "store", module + "internal/guard", module + "middleware", "github.com/labstack/echo/v5"},
		"middleware/ratelimit": {module + "store", module + "internal/observe", module + "internal/redisfault", "github.com/redis/go-redis/v9"},
		"admin":                {module + "store", module + "internal/guard", module + "internal/meter", module + "admin/internal/medusa"},

		"admin/internal/medusa": {},
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		path, deps, _ := strings.Cut(strings.TrimSpace(line), " ")
		name := strings.TrimPrefix(path, module)
		top, _, _ := strings.Cut(name, "/")
		switch top {
		case "store", "cache", "middleware", "admin", "example":
		case "internal": // what several of them need and no user may see
			_, ok := allowed[name]
			if !ok && !strings.HasPrefix(name, "internal/soak/") && !slices.Contains(suites, name) {
				t.Errorf("nothing says what %s may depend on", name)
			}
		default:
			t.Errorf("a sixth package at the top: %s", name)
		}
		rules, ok := allowed[name]
		if !ok {
			continue
		}
		seen[name] = true
		direct := direct(t, path)
		for dep := range strings.FieldsSeq(deps) {
			if strings.HasPrefix(dep, "go.opentelemetry.io/otel/sdk") {
				t.Errorf("%s forces OpenTelemetry's SDK on its users: %s", name, dep)
			}
			ours := strings.HasPrefix(dep, module)
			if !ours && !direct[dep] {
				continue // what others depend on is theirs
			}
			if first, _, _ := strings.Cut(dep, "/"); !strings.Contains(first, ".") {
				continue // the standard library
			}
			if dep == module+"store" || !direct[dep] && permits(allowed["store"], dep) { // store, and what it needs
				continue
			}
			if !permits(rules, dep) && (ours || name != "store" || direct[dep]) {
				t.Errorf("%s depends on %s", name, dep)
			}
		}
	}
	for name := range allowed {
		if !seen[name] {
			t.Errorf("there is no package %s", name)
		}
	}
}

// TestNobodyCompilesAnEchoThatHeDoesNotImport asks every package: Echo is in the doors, in examples
// and in programs below internal/ alone, and each door has one version of it.
func TestNobodyCompilesAnEchoThatHeDoesNotImport(t *testing.T) {
	const module = "github.com/latchkey-go/latchkey/"
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.ImportPath}} {{.Name}} {{join .Deps \" \"}}", module+"...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	doors := map[string]string{"middleware/echov4": "github.com/labstack/echo/v4", "middleware/echov5": "github.com/labstack/echo/v5"}
	seen := 0
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		name := strings.TrimPrefix(fields[0], module)
		program := strings.HasPrefix(name, "internal/") && fields[1] == "main"
		if strings.HasPrefix(name, "example/") || program {
			continue
		}
		for _, dep := range fields[2:] {
			if !strings.HasPrefix(dep, "github.com/labstack/echo") {
				continue
			}
			if own := doors[name]; own == "" || dep != own && !strings.HasPrefix(dep, own+"/") {
				t.Errorf("everybody who imports %s compiles %s", name, dep)
			} else if dep == own {
				seen++
			}
		}
	}
	if seen != len(doors) {
		t.Errorf("%d doors have an Echo, want %d", seen, len(doors))
	}
}

// permits reports whether dep is one of the rules, or, when a rule names another module, within it.
func permits(rules []string, dep string) bool {
	for _, rule := range rules {
		if dep == rule || (!strings.HasPrefix(rule, "github.com/latchkey-go/") && strings.HasPrefix(dep, strings.TrimSuffix(rule, "/")+"/")) {
			return true
		}
	}
	return false
}

// direct returns what the package itself imports.
func direct(t *testing.T, path string) map[string]bool {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{join .Imports \" \"}}", path).Output()
	if err != nil {
		t.Fatalf("go list %s: %v", path, err)
	}
	imports := map[string]bool{}
	for dep := range strings.FieldsSeq(string(out)) {
		imports[dep] = true
	}
	return imports
}
