package main

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

// TestEveryAttributeHasARow names the attribute of a key that the command line lacks.
func TestEveryAttributeHasARow(t *testing.T) {
	var shown, set, filters []string
	for _, a := range attributes() {
		shown = append(shown, a.name)
		if a.set != nil {
			set = append(set, a.name)
		}
		if a.texts != nil {
			filters = append(filters, a.name)
		}
	}
	check := func(of reflect.Type, what string, has []string, reasons map[string]string) {
		t.Helper()
		for _, f := range reflect.VisibleFields(of) {
			name := strings.ToLower(regexp.MustCompile("([a-z])([A-Z])").ReplaceAllString(f.Name, "${1}_$2"))
			if of == reflect.TypeFor[store.Filter]() {
				name = strings.TrimSuffix(name, "s") // Titles is title
			}
			if slices.Contains(has, name) == (reasons[f.Name] != "") {
				t.Errorf("%v.%s: the row %s in attributes.go %s: add it, or give a reason in this test", of, f.Name, name, what)
			}
		}
	}
	check(reflect.TypeFor[store.Key](), "is missing, or has no reason to be", shown, map[string]string{
		"LookupID": "it finds the token's row and says nothing to people",
		"Revoked":  "status and revoked_at say it",
	})
	check(reflect.TypeFor[store.NewKey](), "has no flag of create, or no reason to have none", set, map[string]string{
		"ExpiresAt": "create has two flags for it, which depend on one another",
	})
	const otherwise = "filter.go has a flag of its own for it, or none"
	check(reflect.TypeFor[store.Filter](), "is no filter, or has no reason to be none", filters, map[string]string{
		"Search": otherwise, "IDs": otherwise, "Tokens": otherwise, "Types": otherwise, "CreatedBy": otherwise,
		"CreatedAt": otherwise, "UpdatedAt": otherwise, "RevokedAt": otherwise, "DeletedAt": otherwise,
		"ExpiresAt": otherwise, "LastUsedAt": otherwise, "And": otherwise, "Or": otherwise,
	})
}

func TestDescription(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t)
	const text = "Runs at night.\nAsk Ada."
	made := sh.create("-type", "secret", "-title", "ERP", "-description", text)
	plain := sh.secret("plain")
	if made.Description == nil || *made.Description != text || plain.Description != nil {
		t.Errorf("made %+v and %+v", made, plain)
	}
	for _, args := range [][]string{{"-description", text}, {"-q", "ERP"}} {
		if found := sh.list(args...); len(found) != 1 || found[0].Description == nil || *found[0].Description != text {
			t.Errorf("list %q: %+v", args, found)
		}
	}
	for want, args := range map[string][]string{
		"plain": {"-description", ""},
		"":      {"-q", "night"}, // as in Medusa: of the title and the token
	} {
		if got := sh.titles(args...); got != want {
			t.Errorf("list %q: %q, want %q", args, got, want)
		}
	}
	const line = `(?m)^description +Runs at night\.\\u000aAsk Ada\.$`
	if out := sh.type_(made.Token, "verify").exits(exitOK).stdout; !regexp.MustCompile(line).MatchString(out) {
		t.Errorf("verify does not show it on a line:\n%s", out)
	}
	if out := sh.type_(plain.Token, "verify").exits(exitOK).stdout; strings.Contains(out, "description") {
		t.Errorf("verify shows a description where there is none:\n%s", out)
	}
	verdict := read[verdictView](sh.type_(made.Token, "verify", "-o", "json").exits(exitOK))
	if verdict.Key.Description == nil || *verdict.Key.Description != text {
		t.Errorf("verify: %+v", verdict.Key)
	}
	if out := sh.ok("roll", made.ID).stdout; !regexp.MustCompile(line).MatchString(out) {
		t.Errorf("roll does not take it over:\n%s", out)
	}
	sh.run("create", "-type", "secret", "-description", strings.Repeat("x", 1025)).exits(exitUsage).says("Field 'description'")
}
