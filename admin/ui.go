package admin

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
)

// pageFiles are the admin page, as browsers get it: nothing builds or changes them.
//
//go:embed ui/*.html ui/*.css ui/*.svg ui/*.js
var pageFiles embed.FS

// pagePolicy lets the page load its own files and ask its own server, and nothing else: no inline
// script or style, no frame around it, no form that leaves it, and (Trusted Types) no text that is
// read as HTML.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// pageDocuments returns the page at /ui and /ui/, and its files. All its links are relative, for it
// does not know where it is mounted: "ui/main.js" is /ui/main.js for a browser that is at /ui, and
// /ui/ui/main.js for one at /ui/. A redirect from one to the other would go round in circles behind
// a router that takes the slash away, as the example's does, so the files are at both.
func pageDocuments() []document {
	files, err := fs.ReadDir(pageFiles, "ui")
	if err != nil {
		panic(err) // they are in the program
	}
	var all []document
	for _, file := range files {
		text, err := pageFiles.ReadFile("ui/" + file.Name())
		if err != nil {
			panic(err)
		}
		answer := ofPage(static(pageTypes(path.Ext(file.Name())), text))
		if file.Name() == "index.html" {
			all = append(all, document{path: "/ui", answer: answer}, document{path: "/ui/", answer: answer, part: true})
			continue
		}
		for _, folder := range []string{"/ui/", "/ui/ui/"} {
			all = append(all, document{path: folder + file.Name(), answer: answer, part: true})
		}
	}
	return all
}

// pageTypes returns the content type of a file. It does not depend on what the machine has
// registered for its extension.
func pageTypes(extension string) string {
	return map[string]string{
		".html": "text/html; charset=utf-8",
		".css":  "text/css; charset=utf-8",
		".js":   "text/javascript; charset=utf-8",
		".svg":  "image/svg+xml",
	}[extension]
}

// ofPage adds the header that keeps the page to itself.
func ofPage(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", pagePolicy)
		w.Header().Set("Referrer-Policy", "no-referrer")
		answer(w, r)
	}
}
