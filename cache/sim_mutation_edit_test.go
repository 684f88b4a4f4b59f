package cache

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// edit alters one place in the source of this package.
//
// in is the function that has the place, such as contiguous or (*Cache).applyFeed; or the file,
// such as cache.go; or one statement or clause of a function, named by how it begins:
// "(*Cache).applyFeed: default:".
//
// at is Go source: an expression, a field, a statement, or several of them that follow one another.
// It must be in there exactly once, whole: x is not found in x+1. What is compared are Go's tokens,
// so that comments and line breaks do not count. An empty at is the whole body.
type edit struct {
	in, at string
	kind   editKind
	text   string
}

type editKind int

const (
	replaces editKind = iota
	addsBefore
	addsAfter
)

// What is added stands on lines of its own.

func replace(in, at, text string) edit   { return edit{in, at, replaces, text} }
func omit(in, at string) edit            { return edit{in, at, replaces, ""} }
func addBefore(in, at, text string) edit { return edit{in, at, addsBefore, text + "\n"} }
func addAfter(in, at, text string) edit  { return edit{in, at, addsAfter, "\n" + text} }

// sources are the files of this package, by name, and what edits can be in.
type sources struct {
	files  map[string]*source
	scopes map[string][]scope
}

type source struct {
	name, text string
	syntax     *ast.File
	words      []word
}

// scope is a part of a source.
type scope struct {
	*source
	node ast.Node
}

func readSources(t *testing.T, dir string) *sources {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	check(t, err)
	texts := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		check(t, err)
		texts[filepath.Base(name)] = string(text)
	}
	return parseSources(t, texts)
}

func parseSources(t *testing.T, texts map[string]string) *sources {
	s := &sources{map[string]*source{}, map[string][]scope{}}
	for name, text := range texts {
		syntax, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		check(t, err)
		f := &source{name, text, syntax, wordsOf(text)}
		s.files[name] = f
		if syntax.Name.Name != "cache" {
			continue
		}
		s.scopes[name] = []scope{{f, syntax}}
		for _, d := range syntax.Decls {
			if d, ok := d.(*ast.FuncDecl); ok {
				name := d.Name.Name
				if d.Recv != nil {
					name = types.ExprString(d.Recv.List[0].Type) + "." + name
					if strings.HasPrefix(name, "*") {
						receiver, method, _ := strings.Cut(name, ".")
						name = "(" + receiver + ")." + method
					}
				}
				s.scopes[name] = append(s.scopes[name], scope{f, d})
			}
		}
	}
	return s
}

// word is a token of Go.
type word struct {
	text     string
	from, to int // offsets
}

// wordsOf leaves out what depends on where lines are broken: semicolons, and commas before
// brackets.
func wordsOf(text string) []word {
	var s scanner.Scanner
	file := token.NewFileSet().AddFile("", -1, len(text))
	s.Init(file, []byte(text), func(token.Position, string) {}, 0)
	var words []word
	for {
		pos, tok, literal := s.Scan()
		switch n := len(words); tok {
		case token.EOF:
			return words
		case token.SEMICOLON:
			continue
		case token.RPAREN, token.RBRACK, token.RBRACE:
			if n > 0 && words[n-1].text == "," {
				words = words[:n-1]
			}
		}
		if literal == "" {
			literal = tok.String()
		}
		from := file.Offset(pos)
		words = append(words, word{literal, from, from + len(literal)})
	}
}

// span is a part of a file.
type span struct {
	file     string
	from, to int // offsets
}

func (s span) overlaps(other span) bool {
	return s.file == other.file && s.from < other.to && other.from < s.to
}

func (s scope) span(from, to token.Pos) span {
	start := s.syntax.FileStart
	return span{s.name, int(from - start), int(to - start)}
}

// find returns where the place of an edit is.
func (s *sources) find(e edit) (span, error) {
	in, head, inStatement := strings.Cut(e.in, ": ")
	if n := len(s.scopes[in]); n != 1 {
		return span{}, fmt.Errorf("there is %s %d times, not once", in, n)
	}
	part := s.scopes[in][0]
	if inStatement {
		statements := part.statements(head)
		if n := len(statements); n != 1 {
			return span{}, fmt.Errorf("%s: %s has this %d times, not once; where has it gone?\n%s", part.name, in, n, head)
		}
		part.node = statements[0]
	}
	if e.at == "" {
		body := part.body()
		if len(body) == 0 {
			return span{}, fmt.Errorf("%s: %s has no body", part.name, e.in)
		}
		return part.span(body[0].Pos(), body[len(body)-1].End()), nil
	}
	places := slices.DeleteFunc(part.matches(e.at), func(p span) bool { return !part.whole(p) })
	if n := len(places); n != 1 {
		return span{}, fmt.Errorf("%s: %s has this %d times, not once; where has it gone?\n%s", part.name, e.in, n, e.at)
	}
	return places[0], nil
}

// matches returns where the tokens of a text are.
func (s scope) matches(text string) []span {
	var found []span
	all, want := s.span(s.node.Pos(), s.node.End()), wordsOf(text)
	for i := range s.words {
		if s.words[i].from < all.from || i+len(want) > len(s.words) || s.words[i+len(want)-1].to > all.to {
			continue
		}
		got := s.words[i : i+len(want)]
		if slices.EqualFunc(got, want, func(a, b word) bool { return a.text == b.text }) {
			found = append(found, span{s.name, got[0].from, got[len(got)-1].to})
		}
	}
	return found
}

// whole reports whether a span is a node of the syntax, or several that follow one another.
func (s scope) whole(p span) bool {
	begins, found := map[ast.Node]bool{}, false // begins: one of its children begins where the span does
	var parents []ast.Node
	ast.Inspect(s.node, func(n ast.Node) bool {
		if n == nil {
			parents = parents[:len(parents)-1]
			return false
		}
		if len(parents) > 0 {
			parent, child := parents[len(parents)-1], s.span(n.Pos(), n.End())
			begins[parent] = begins[parent] || child.from == p.from
			found = found || begins[parent] && child.to == p.to
		}
		parents = append(parents, n)
		return true
	})
	return found
}

// statements returns those that begin with the tokens of a text.
func (s scope) statements(head string) []ast.Node {
	begins := s.matches(head)
	var found []ast.Node
	ast.Inspect(s.node, func(n ast.Node) bool {
		if n, ok := n.(ast.Stmt); ok {
			from := s.span(n.Pos(), n.End()).from
			if slices.ContainsFunc(begins, func(p span) bool { return p.from == from }) {
				found = append(found, n)
			}
		}
		return true
	})
	return found
}

func (s scope) body() []ast.Stmt {
	switch n := s.node.(type) {
	case *ast.FuncDecl:
		return n.Body.List
	case *ast.IfStmt:
		return n.Body.List
	case *ast.ForStmt:
		return n.Body.List
	case *ast.RangeStmt:
		return n.Body.List
	case *ast.CaseClause:
		return n.Body
	case *ast.CommClause:
		return n.Body
	}
	return nil
}

// alter returns the altered files, by name. The extra edits are made too, each unless the others
// have replaced its place; where both add something, what is extra is next to the place.
func (s *sources) alter(edits, extra []edit) (map[string]string, error) {
	type change struct {
		span
		text string
		rank int // the order of those that add something in one place
	}
	var changes []change
	for i, e := range slices.Concat(edits, extra) {
		place, err := s.find(e)
		if err != nil {
			return nil, err
		}
		c, isExtra := change{place, e.text, 0}, i >= len(edits)
		switch e.kind {
		case addsBefore:
			c.to, place.to = c.from, place.from+1
		case addsAfter:
			c.from, place.from = c.to, place.to-1
			if isExtra {
				c.rank = -1
			}
		}
		if isExtra && slices.ContainsFunc(changes, func(c change) bool { return c.overlaps(place) }) {
			continue
		}
		changes = append(changes, c)
	}
	slices.SortStableFunc(changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to),
			cmp.Compare(a.rank, b.rank))
	})
	altered := map[string]string{}
	for i, c := range slices.Backward(changes) {
		if i > 0 && c.overlaps(changes[i-1].span) {
			return nil, fmt.Errorf("%s: two edits overlap:\n%s\n%s", c.file, changes[i-1].text, c.text)
		}
		text, ok := altered[c.file]
		if !ok {
			text = s.files[c.file].text
		}
		altered[c.file] = text[:c.from] + c.text + text[c.to:]
	}
	for name, text := range altered {
		if _, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution); err != nil {
			return nil, fmt.Errorf("after the edits: %w", err)
		}
	}
	return altered, nil
}

// verify returns what is wrong with mutations, short of building them.
func (s *sources) verify(mutations []mutation) []error {
	var wrong []error
	rules := map[string]bool{}
	for _, m := range mutations {
		if rules[m.rule] {
			wrong = append(wrong, fmt.Errorf("%s: is there twice", m.rule))
		}
		rules[m.rule] = true
		if _, err := s.alter(m.edits, nil); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", m.rule, err))
		}
	}
	return wrong
}
