package cache

import (
	"errors"
	"go/scanner"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestEditsDoNotDependOnCommentsAndLayout(t *testing.T) {
	here, err := os.Getwd()
	check(t, err)
	as := readSources(t, here)
	texts := map[string]string{}
	for name, f := range as.files {
		texts[name] = otherLayout(f.text)
	}
	other := parseSources(t, texts)
	for _, m := range append([]mutation{{rule: "(stretched)", edits: stretched}}, mutations...) {
		want, err := as.alter(m.edits, nil)
		check(t, err)
		got, err := other.alter(m.edits, nil)
		if err != nil {
			t.Fatalf("%s: %v", m.rule, err)
		}
		for name := range want {
			same := slices.EqualFunc(wordsOf(got[name]), wordsOf(want[name]), func(a, b word) bool { return a.text == b.text })
			if !same {
				t.Errorf("%s: %s is altered in another place when its layout is another:\n%s", m.rule, name, got[name])
			}
		}
	}
}

// otherLayout returns the same code with other comments, lines and indentation.
func otherLayout(text string) string {
	var s scanner.Scanner
	file := token.NewFileSet().AddFile("", -1, len(text))
	s.Init(file, []byte(text), nil, 0)
	var out strings.Builder
	for {
		_, tok, literal := s.Scan()
		switch tok {
		case token.EOF:
			return out.String()
		case token.SEMICOLON:
			literal = "; // another comment\n\n "
		case token.LPAREN, token.LBRACE, token.COMMA, token.LOR, token.LAND:
			literal = tok.String() + " // another comment\n"
		}
		if literal == "" {
			literal = tok.String()
		}
		out.WriteString(literal + " ")
	}
}

func TestEditsSayWhichPlaceIsMissing(t *testing.T) {
	s := parseSources(t, map[string]string{"code.go": `package cache

func (c *T) twice(x int) int {
	x++
	switch {
	case x > 0:
		x++
		x = x*2 + 1
	default:
	}
	return call(
		x, // one argument a line
		1,
	)
}
`})
	const f = "(*T).twice"
	for _, c := range []struct{ name, in, at, want string }{
		{"one place is found", f, "x = x*2 + 1", ""},
		{"an argument list may be wrapped", f, "call(x, 1)", ""},
		{"a clause is searched by itself", f + ": case x > 0:", "x++", ""},
		{"several statements are one place", f + ": case x > 0:", "x++; x = x*2 + 1", ""},
		{"a file is searched too", "code.go", "x int", ""},
		{"a missing place", f, "x--", "the rule: code.go: (*T).twice has this 0 times, not once; where has it gone?\nx--"},
		{"a place that is there twice", f, "x++", "the rule: code.go: (*T).twice has this 2 times, not once; where has it gone?\nx++"},
		{"a part of a statement is no place", f, "x = x*2", "the rule: code.go: (*T).twice has this 0 times, not once; where has it gone?\nx = x*2"},
		{"a missing clause", f + ": case x > 1:", "x++", "the rule: code.go: (*T).twice has this 0 times, not once; where has it gone?\ncase x > 1:"},
		{"an empty body", f + ": default:", "", "the rule: code.go: (*T).twice: default: has no body"},
		{"a missing function", "(*T).once", "x++", "the rule: there is (*T).once 0 times, not once"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if err := errors.Join(s.verify([]mutation{{rule: "the rule", edits: []edit{addBefore(c.in, c.at, "")}}})...); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	t.Run("what is not Go any more", func(t *testing.T) {
		err := errors.Join(s.verify([]mutation{{rule: "the rule", edits: []edit{replace(f, "x = x*2 + 1", "x = (")}}})...)
		if err == nil || !strings.HasPrefix(err.Error(), "the rule: after the edits: code.go:") {
			t.Errorf("got %v", err)
		}
	})
}

func TestEditsOfOnePlace(t *testing.T) {
	s := parseSources(t, map[string]string{"code.go": "package cache\nfunc f() { a(); b() }\n"})
	extra := []edit{addBefore("f", "a()", "extra(1)"), addAfter("f", "a()", "extra(2)")}
	for _, c := range []struct {
		name  string
		edits []edit
		want  string
	}{
		{"what is extra is next to the place", []edit{addBefore("f", "a()", "x()"), addAfter("f", "a()", "y()")}, "x() extra(1) a() extra(2) y() b()"},
		{"it is gone with the place", []edit{replace("f", "a()", "x()")}, "x() b()"},
		{"it stays when another place is replaced", []edit{omit("f", "b()"), addBefore("f", "b()", "x()")}, "extra(1) a() extra(2) x()"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, err := s.alter(c.edits, extra)
			check(t, err)
			_, body, _ := strings.Cut(files["code.go"], "{")
			body, _, _ = strings.Cut(body, "}")
			if got := strings.Join(strings.Fields(strings.ReplaceAll(body, ";", " ")), " "); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	t.Run("two that overlap are refused", func(t *testing.T) {
		if _, err := s.alter([]edit{omit("f", "a(); b()"), omit("f", "b()")}, nil); err == nil || !strings.Contains(err.Error(), "overlap") {
			t.Errorf("got %v", err)
		}
	})
}
