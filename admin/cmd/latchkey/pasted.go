package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// quotes are pairs of quotation marks.
var quotes = []string{`""`, `''`, "``", "“”", "‘’", "«»"}

// pasted returns the token in a pasted line, without what editors, shells and web pages put around
// it: white space, a byte order mark, other invisible characters, quotation marks, and Bearer.
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

// whyMalformed says why a text is not a token. It repeats no more than a character that tokens do
// not have.
func whyMalformed(token string) string {
	odd := strings.IndexFunc(token, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
	switch {
	case strings.ContainsRune(token, 0):
		return "it is not UTF-8 but perhaps UTF-16: save the file as UTF-8"
	case !utf8.ValidString(token):
		return "it is not UTF-8"
	case strings.Contains(token, "***"):
		return "it is the redacted form in which tokens are listed"
	case strings.ContainsFunc(token, unicode.IsSpace):
		return "it contains white space: use the token alone"
	case odd >= 0:
		r, _ := utf8.DecodeRuneInString(token[odd:])
		return fmt.Sprintf("it contains the character %U, which no token has", r)
	case !strings.HasPrefix(token, "sk_") && !strings.HasPrefix(token, "pk_"):
		return "it does not begin with sk_ or pk_"
	}
	return "its length or checksum is wrong: it was mistyped or cut off"
}
