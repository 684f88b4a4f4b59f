package admin_test

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

// tools is the module of the generators, so that applications do not inherit them. What they make
// is compiled in a copy of it, which has the versions of all that they and their code need.
const tools = "../internal/tools"

// TestGeneratorsReadTheDescription makes a client of openapi.json with each generator, compiles it
// and lets it talk to the API. The first run downloads and builds them.
func TestGeneratorsReadTheDescription(t *testing.T) {
	description, err := filepath.Abs("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, dir string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "go", append([]string{"-C", dir}, args...)...)
		// Without paths in it, what was compiled in one temporary folder is in the cache for the
		// next.
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly -trimpath")
		var printed, said strings.Builder // go says there what it downloads
		cmd.Stdout, cmd.Stderr = &printed, &said
		if err := cmd.Run(); err != nil {
			t.Fatalf("go %s: %v\n%s%s", args[0], err, &printed, &said)
		}
		return printed.String()
	}
	for name, generate := range map[string]func(into string) []string{
		"ogen": func(into string) []string {
			return []string{"tool", "ogen", "-target", into, "-package", "api", description}
		},
		"oapi": func(into string) []string { // oapi-codegen reads OpenAPI 3.1 from 2.8 on
			out := filepath.Join(into, "api.go")
			return []string{"tool", "oapi-codegen", "-generate", "types,client", "-package", "api", "-o", out, description}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, file := range []string{"go.mod", "go.sum"} {
				text, err := os.ReadFile(filepath.Join(tools, file))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			into := filepath.Join(dir, "generated", name)
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "generated", name))); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(into, 0o700); err != nil {
				t.Fatal(err)
			}
			run(t, tools, generate(into)...)

			keys := store.New(store.NewMemory())
			asking, err := keys.Create(t.Context(), store.NewKey{Type: store.Secret})
			if err != nil {
				t.Fatal(err)
			}
			shop, err := keys.Create(t.Context(), store.NewKey{Type: store.Publishable, SalesChannelIDs: []string{"sc_web"}})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(documented(t, admin.New(keys, admin.Options{})))
			defer server.Close()
			const want = "created ERP true true 9.223372036e+09\nlisted 1\nlisted 0\nchannel sc_web sc_web\nnot_found\n"
			if got := run(t, dir, "run", ".", server.URL, asking.Token.Reveal(), shop.Key.ID); got != want {
				t.Errorf("the client printed\n%swant\n%s", got, want)
			}
		})
	}
}
