package admin_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-go/latchkey/admin"
	echoauth "github.com/latchkey-go/latchkey/middleware/echov4"
)

// What the page does is tested in a browser, in ui. Here is what can be said without one.

func TestPageIsKeptToItself(t *testing.T) {
	f := open(t, admin.Options{})
	page := f.send(nil, "GET", "/ui", "")
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8",
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
		"X-Content-Type-Options": "nosniff",
		"Referrer-Policy":        "no-referrer",
		"Cache-Control":          "no-cache",
	} {
		if got := page.header.Get(name); page.status != 200 || got != want {
			t.Errorf("%s is %q, want %q (%d)", name, got, want, page.status)
		}
	}
	for what, pattern := range map[string]string{
		"a script or a style that is inline": `<style|<script[^>]*>[^<]`,
		"a style attribute":                  `\sstyle=`,
		"a handler attribute":                `\son[a-z]+=`,
		"an address that is not relative":    `(?:href|src|action)="(?:/|[a-z]+:)`,
	} {
		if found := regexp.MustCompile(pattern).FindString(page.body); found != "" {
			t.Errorf("the page has %s: %s", what, found)
		}
	}
}

func TestPageFiles(t *testing.T) {
	f := open(t, admin.Options{})
	types := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
	files, err := os.ReadDir("ui")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		want, ok := types[filepath.Ext(file.Name())]
		if !ok {
			continue
		}
		text, err := os.ReadFile(filepath.Join("ui", file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/ui/", "/ui/ui/"} {
			got := f.send(nil, "GET", path+file.Name(), "")
			if got.status != 200 || got.body != string(text) || got.header.Get("Content-Type") != want || got.header.Get("Content-Security-Policy") == "" {
				t.Errorf("%s%s was answered %d %v", path, file.Name(), got.status, got.header)
			}
		}
		t.Run(file.Name()+" asks for nothing that is not there, and reads no text as HTML", func(t *testing.T) {
			for _, asked := range regexp.MustCompile(`(?:from|import|url\() ?['"]\./([^'"]+)['"]`).FindAllStringSubmatch(string(text), -1) {
				if _, err := os.Stat(filepath.Join("ui", asked[1])); err != nil {
					t.Error(err)
				}
			}
			forbidden := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|localStorage|sessionStorage|indexedDB|\.cookie\b|https?://`)
			if found := forbidden.FindString(strings.ReplaceAll(string(text), "http://www.w3.org/2000/svg", "")); found != "" {
				t.Errorf("it has %s", found)
			}
		})
	}
	t.Run("the page asks for files that are there", func(t *testing.T) {
		page := f.send(nil, "GET", "/ui/", "").body
		for _, asked := range regexp.MustCompile(`(?:href|src)="ui/([^"]+)"`).FindAllStringSubmatch(page, -1) {
			if !slices.ContainsFunc(files, func(file os.DirEntry) bool { return file.Name() == asked[1] }) {
				t.Errorf("there is no %s", asked[1])
			}
		}
	})
	t.Run("tests and folders are not served", func(t *testing.T) {
		for _, path := range []string{"/ui/page_test.go", "/ui/ui", "/ui/ui/", "/ui/index.html", "/ui/../routes.go"} {
			if got := f.send(nil, "GET", path, ""); got.status != http.StatusUnauthorized {
				t.Errorf("%s was answered %d", path, got.status)
			}
		}
	})
	t.Run("can be left out", func(t *testing.T) {
		f := open(t, admin.Options{NoPage: true})
		for _, path := range admin.Documents() {
			if path == "/openapi.json" {
				if got := f.send(nil, "GET", path, ""); got.status != 200 {
					t.Errorf("%s went with the page: %d", path, got.status)
				}
				continue
			}
			f.send(nil, "GET", path, "").is(t, 401, `{"message":"Unauthorized"}`)
			f.do("GET", path, "").is(t, 404, `{"type":"not_found","message":"There is no such route"}`)
		}
	})
	t.Run("Echo's list of routes has the page, and not its files", func(t *testing.T) {
		e := echo.New()
		echoauth.Mount(e.Group("/admin"), admin.New(f.keys, admin.Options{}))
		var listed []string
		for _, r := range e.Routes() {
			if strings.HasPrefix(r.Path, "/admin/ui") {
				listed = append(listed, r.Method+" "+r.Path)
			}
		}
		slices.Sort(listed)
		if want := []string{"GET /admin/ui", "HEAD /admin/ui"}; !slices.Equal(listed, want) {
			t.Errorf("the list has %q, want %q", listed, want)
		}
	})
}
