package sdk_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/medusa.md names calls of package store. This holds it to names that are there.
func TestEveryCallInTheGuideForUsersOfMedusaExists(t *testing.T) {
	guide, err := os.ReadFile("../../docs/medusa.md")
	if err != nil {
		t.Fatal(err)
	}
	there := identifiers(t, "../../store")
	text := regexp.MustCompile(`\bkeys\.([A-Z]\w*)\(`).ReplaceAllString(string(guide), "store.Keys.$1(")
	text = regexp.MustCompile(`\bstore\.(\w+)\{([A-Z]\w*):`).ReplaceAllString(text, "store.$1.$2")
	found := regexp.MustCompile(`\bstore\.([A-Z]\w*(?:\.[A-Z]\w*)?)|\b(Example\w+)`).FindAllStringSubmatch(text, -1)
	if len(found) < 40 {
		t.Fatalf("only %d names were found in the guide", len(found))
	}
	for _, name := range found {
		if name := name[1] + name[2]; !there[name] {
			t.Errorf("package store has no %s", name)
		}
	}
	verbs := []string{"Create", "CreateMany", "Update", "UpdateAll", "Delete", "Get", "List", "ListAndCount", "Revoke", "RevokeAt", "RevokeAll", "Authenticate"}
	for _, verb := range verbs {
		if !slices.ContainsFunc(found, func(m []string) bool { return m[1] == "Keys."+verb }) {
			t.Errorf("the guide does not name Keys.%s", verb)
		}
	}
}

// identifiers returns the exported names of the package in dir: Name, Type.Method, Struct.Field,
// and its examples.
func identifiers(t *testing.T, dir string) map[string]bool {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names, fset := map[string]bool{}, token.NewFileSet()
	var sources []*ast.File
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") {
			continue
		}
		file, err := parser.ParseFile(fset, dir+"/"+entry.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(entry.Name(), "_test.go") {
			sources = append(sources, file)
			continue
		}
		for _, example := range doc.Examples(file) {
			names["Example"+example.Name] = true
		}
	}
	pkg, err := doc.NewFromFiles(fset, sources, "store")
	if err != nil {
		t.Fatal(err)
	}
	add := func(prefix string, functions []*doc.Func, values ...*doc.Value) {
		for _, f := range functions {
			names[prefix+f.Name] = true
		}
		for _, v := range values {
			for _, name := range v.Names {
				names[name] = true
			}
		}
	}
	add("", pkg.Funcs, slices.Concat(pkg.Consts, pkg.Vars)...)
	for _, typ := range pkg.Types {
		names[typ.Name] = true
		add("", typ.Funcs, slices.Concat(typ.Consts, typ.Vars)...)
		add(typ.Name+".", typ.Methods)
		for _, spec := range typ.Decl.Specs {
			if s, ok := spec.(*ast.TypeSpec).Type.(*ast.StructType); ok {
				for _, field := range s.Fields.List {
					for _, name := range field.Names {
						names[typ.Name+"."+name.Name] = true
					}
				}
			}
		}
	}
	return names
}
