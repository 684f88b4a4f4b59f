package security_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// testFiles calls fn with each test file of the module, parsed, and its path from the root.
func testFiles(t *testing.T, fn func(path string, file *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && (name == "testdata" || name == "node_modules" || len(name) > 2 && name[0] == '.') {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		fn(filepath.ToSlash(rel), file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tests returns the package folders in which each test, benchmark and fuzz target is.
func tests(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	testFiles(t, func(path string, file *ast.File) {
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !regexp.MustCompile(`^(Test|Fuzz|Benchmark)[A-Z0-9]`).MatchString(fn.Name.Name) || fn.Name.Name == "TestMain" {
				continue
			}
			dir := filepath.ToSlash(filepath.Dir(path))
			if !slices.Contains(found[fn.Name.Name], dir) {
				found[fn.Name.Name] = append(found[fn.Name.Name], dir)
			}
		}
	})
	return found
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The page that says which test proves what is held to the tests there are.
func TestThePageNamesTheTestsThatThereAre(t *testing.T) {
	const requirements = 37 // each has a row, but for the one below; later ones as soon as a test has their number
	const later = 32        // keys have no owners yet
	page, exist := read(t, "docs/security.md"), tests(t)
	rows := map[int]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \|(.*)\|$`).FindAllStringSubmatch(page, -1) {
		var n int
		if _, err := fmt.Sscan(m[1], &n); err != nil || rows[n] != "" {
			t.Errorf("row %s is there twice, %v", m[1], err)
		}
		rows[n] = m[2]
	}
	for n := 1; n <= requirements; n++ {
		if rows[n] == "" && n != later {
			t.Errorf("the table has no row %d", n)
		}
	}
	for n, row := range rows {
		if !strings.Contains(row, fmt.Sprintf("`TestRequirement%02d", n)) {
			t.Errorf("row %d names no test of that number: %s", n, row)
		}
	}
	// `folder` TestA, TestB; `other` TestC: a folder goes for the names that follow it, up to the
	// end of the row.
	names := regexp.MustCompile("`([a-z/]+|(?:Test|Fuzz|Benchmark)[A-Za-z0-9_]+)`")
	named := map[string]bool{}
	for n, row := range rows {
		dir := ""
		for _, m := range names.FindAllStringSubmatch(row, -1) {
			name := m[1]
			if name[0] >= 'a' && name[0] <= 'z' {
				if info, err := os.Stat(filepath.Join(root, name)); err == nil && info.IsDir() { // else a word of the text
					dir = name
				}
				continue
			}
			named[dir+" "+name] = true
			if !slices.Contains(exist[name], dir) {
				t.Errorf("row %d: there is no %s in %q; it is in %q", n, name, dir, exist[name])
			}
		}
	}
	for name := range exist {
		if strings.HasPrefix(name, "Fuzz") && !strings.Contains(page, "`"+name+"`") {
			t.Errorf("the page does not name %s, which make fuzz runs", name)
		}
	}
	for name, dirs := range exist {
		m := regexp.MustCompile(`^TestRequirement(\d\d)`).FindStringSubmatch(name)
		if m == nil {
			continue
		}
		for _, dir := range dirs {
			if !named[dir+" "+name] {
				t.Errorf("%s in %s is not in the table", name, dir)
			}
		}
		var n int
		if _, err := fmt.Sscan(strings.TrimLeft(m[1], "0"), &n); err != nil || !strings.Contains(rows[n], name) {
			t.Errorf("%s is not in row %d", name, n)
		}
	}
	for _, m := range names.FindAllStringSubmatch(page, -1) { // outside the table
		if name := m[1]; name[0] >= 'A' && name[0] <= 'Z' && len(exist[name]) == 0 {
			t.Errorf("the page names %s, which there is not", name)
		}
	}
}

// Every package with tests ends them with a look for goroutines that are left.
func TestRequirement30EveryPackageLooksForLeaks(t *testing.T) {
	looks := map[string]bool{}
	testFiles(t, func(path string, file *ast.File) {
		dir := filepath.Dir(path)
		if _, seen := looks[dir]; !seen {
			looks[dir] = false
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := call.X.(*ast.Ident); ok && pkg.Name == "goleak" && (call.Sel.Name == "VerifyTestMain" || call.Sel.Name == "Find") {
					looks[dir] = true
				}
			}
			return true
		})
	})
	if len(looks) < 10 {
		t.Fatalf("only %d packages were found", len(looks))
	}
	for dir, ok := range looks {
		if !ok {
			t.Errorf("package %s has tests and no TestMain with goleak.VerifyTestMain", dir)
		}
	}
}

// make test and make test-more divide the tests by their names, so that each belongs to exactly one
// of them, and run with the race detector; CI runs both.
func TestRequirement30EveryTestBelongsToOneTier(t *testing.T) {
	first, second := command(t, "test"), command(t, "test-more")
	if strings.Count(first, " -skip 'More$' ") != 1 || strings.Contains(first, " -run ") || !strings.HasSuffix(first, " ./...") {
		t.Errorf("make test does not run everything but the second tier: %s", first)
	}
	args, packages, ok := strings.Cut(second, " -run 'More$' ")
	if !ok || strings.Contains(args, " -run ") || strings.Contains(args, " -skip ") {
		t.Errorf("make test-more does not run the second tier: %s", second)
	}
	var want []string
	for name, dirs := range tests(t) {
		if strings.HasSuffix(name, "More") {
			want = append(want, dirs...)
		}
	}
	slices.Sort(want)
	got := strings.Fields(strings.ReplaceAll(packages, "./", ""))
	if want = slices.Compact(want); len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("make test-more runs %q; tests of the second tier are in %q", got, want)
	}
	for _, line := range []string{first, second} {
		for _, flag := range []string{" -race ", " -shuffle=on ", " -count=1 "} {
			if !strings.Contains(line, flag) {
				t.Errorf("without%s: %s", flag, line)
			}
		}
		for _, off := range regexp.MustCompile(`-gcflags=(\S+)`).FindAllStringSubmatch(line, -1) {
			if off[1] != "modernc.org/sqlite/lib=-race=false" && off[1] != "golang.org/x/crypto/scrypt=-race=false" {
				t.Errorf("the Makefile says why no other package may go without the race detector: %s", off[1])
			}
		}
		if strings.Contains(line, "-short") || strings.Contains(line, "-tags") {
			t.Errorf("tests are left out: %s", line)
		}
	}
	testFiles(t, func(path string, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok && call.Sel.Name == "Short" {
				if pkg, ok := call.X.(*ast.Ident); ok && pkg.Name == "testing" {
					t.Errorf("%s asks for testing.Short: a tier is chosen by name", path)
				}
			}
			return true
		})
	})
	for _, target := range []string{"test", "test-more"} {
		if !strings.Contains(read(t, ".ci/run"), "\n.ci/step make "+target+"\n") {
			t.Errorf("CI does not run make %s", target)
		}
	}
}

// command returns the command with which a target of the Makefile runs tests with the race
// detector.
func command(t *testing.T, target string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "make", "--dry-run", "--no-print-directory", target)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("make: %v\n%s", err, out)
	}
	found := regexp.MustCompile(`(?m)^.*go test .*-race .*$`).FindAllString(string(out), -1)
	if len(found) != 1 {
		t.Fatalf("make %s: want one run with the race detector, got %q\n%s", target, found, out)
	}
	return found[0]
}
