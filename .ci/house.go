//go:build ignore

// House counts what make check holds the sources to: widths, worn-out words, exported names and
// the budget of product code. Each limit is a ceiling. Lower it when the count falls; never raise
// it.
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"unicode/utf8"
)

// limits are the ceilings: those of comments are final, the others go down.
var limits = []struct {
	name string
	most int
}{
	{product, 25_000}, // the budget is 24 000
	{wideComments, 0},
	{wideCode, 1_970},
	{wornOut, 0},
	{exported, 190},
}

const (
	product      = "lines of product Go"
	wideComments = "comment lines over 100 columns"
	wideCode     = "code lines over 120 columns"
	wornOut      = "worn-out words in product comments"
	exported     = "exported names of package store"
)

// worn are words that this code once used for what has a standard name: notify, observe, report.
var worn = regexp.MustCompile(`(?i)\b(whoever|whatever|tells?|told|hears?|heard|nobody|somebody|none of (ours|its|his))\b`)

// notProduct are tests, suites, examples and tools.
var notProduct = regexp.MustCompile(`_test\.go$|/testdata/|^example/|/storetest/|/sqldbtest/|^internal/(tools|benchtable|loadtest|timing|soak|security|sdk)/|^\.ci/`)

func main() {
	out, err := exec.Command("git", "ls-files", "*.go").Output()
	if err != nil {
		fmt.Fprintln(os.Stderr, "house: git ls-files:", err)
		os.Exit(1)
	}
	counts := map[string]int{}
	var wide []string
	for _, path := range strings.Fields(string(out)) {
		source, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue // removed, not yet committed
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, source, parser.ParseComments)
		if err != nil {
			fmt.Fprintln(os.Stderr, "house:", err)
			os.Exit(1)
		}
		ours := !notProduct.MatchString(path)
		if ours {
			counts[product] += bytes.Count(source, []byte("\n"))
			for _, group := range file.Comments {
				counts[wornOut] += len(worn.FindAllString(group.Text(), -1))
			}
		}
		if ours && strings.HasPrefix(path, "store/") && strings.Count(path, "/") == 1 {
			counts[exported] += exports(file)
		}
		for i, line := range strings.Split(string(source), "\n") {
			columns := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    "))
			comment := strings.HasPrefix(strings.TrimSpace(line), "//")
			switch {
			case comment && columns > 100 && !strings.HasPrefix(line, "//go:"):
				counts[wideComments]++
				wide = append(wide, fmt.Sprintf("%s:%d", path, i+1))
			case !comment && columns > 120:
				counts[wideCode]++
			}
		}
	}
	failed := false
	for _, limit := range limits {
		n := counts[limit.name]
		fmt.Printf("%6d %s (at most %d)\n", n, limit.name, limit.most)
		failed = failed || n > limit.most
	}
	if len(wide) > 0 {
		fmt.Println("wide comments:", strings.Join(wide[:min(20, len(wide))], " "))
	}
	if failed {
		os.Exit(1)
	}
}

// exports counts constants, variables, types, functions, and methods of exported types.
func exports(file *ast.File) (n int) {
	count := func(name *ast.Ident) {
		if name.IsExported() {
			n++
		}
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil || ast.IsExported(strings.TrimLeft(typeName(d.Recv.List[0].Type), "*")) {
				count(d.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						count(name)
					}
				case *ast.TypeSpec:
					count(spec.Name)
				}
			}
		}
	}
	return n
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
