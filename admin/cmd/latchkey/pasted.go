package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// quotes are the pairs that people and programs put around a token.
var quotes = []string{`""`, `''`, "``", "“”", "‘’", "«»"}

// pasted returns the token in a line that somebody has pasted, without what editors, shells and web
// pages put around it: white space, a byte order mark and other characters that nobody sees,
// quotes, and Bearer.
func pasted(line string) string {
	for before := line + "…"; line != before; {
		before = line
		line = strings.TrimFunc(line, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) })
		if scheme, rest, found := strings.Cut(line, " "); found && strings.EqualFold(scheme, "Bearer") {
			line = rest
		}
		for _, pair := range quotes {
			left, right := string([]rune(pair)[0]), string([]rune(pair)[1])
			if inner, found := strings.CutPrefix(line, left); found && strings.HasSuffix(inner, right) {
				line = strings.TrimSuffix(inner, right)
			}
		}
	}
	return line
}

// whyMalformed says what is wrong with a text that is no token. It repeats nothing but a character
// that no token has.
func whyMalformed(token string) string {
	odd := strings.IndexFunc(token, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
	switch {
	case strings.ContainsRune(token, 0):
		return "it is not UTF-8 text, but UTF-16 perhaps: save the file as UTF-8"
	case !utf8.ValidString(token):
		return "it is not UTF-8 text"
	case strings.Contains(token, "***"):
		return "this is the form in which tokens are listed, and not the token"
	case strings.ContainsFunc(token, unicode.IsSpace):
		return "there is white space in it: give the token alone"
	case odd >= 0:
		r, _ := utf8.DecodeRuneInString(token[odd:])
		return fmt.Sprintf("no token has the character %U, which is in it", r)
	case !strings.HasPrefix(token, "sk_") && !strings.HasPrefix(token, "pk_"):
		return "it does not begin with sk_ or pk_"
	}
	return "its length or its checksum is wrong: it was mistyped, or a part is missing"
}
