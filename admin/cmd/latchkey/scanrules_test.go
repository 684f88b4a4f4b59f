package main

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

// found is a rule as it is read back from what the program prints.
type found struct {
	id      string
	pattern *regexp.Regexp // its first group is the token
	entropy float64
}

// rulesOf reads the rules back, by the form that the scanner reads.
func rulesOf(t *testing.T, format, text string) []found {
	t.Helper()
	shape := map[string]string{
		"gitleaks":   `id = "(\S+)"\ndescription = ".+"\nregex = '''(.+)'''\nsecretGroup = 1\nentropy = (\d)\nkeywords = \["(\w+)"\]\n`,
		"trufflehog": `  - name: (\S+)\n    keywords:\n      - (?:\w+)\n    regex:\n      token: '(.+)'\n    entropy: (\d)()\n`,
		"github":     `Pattern name:   (.+)\nSecret format:  (.+)\nBefore secret:  (.+)\nAfter secret:   (.+)\nTest string:    .+\n`,
	}[format]
	var rules []found
	for _, m := range regexp.MustCompile(shape).FindAllStringSubmatch(text, -1) {
		f := found{id: m[1]}
		expression := m[2]
		if format == "github" { // which puts the three together
			expression = `(?:` + m[3] + `)(` + m[2] + `)(?:` + m[4] + `)`
		} else if _, err := fmt.Sscan(m[3], &f.entropy); err != nil {
			t.Fatal(err)
		}
		f.pattern = regexp.MustCompile(expression)
		rules = append(rules, f)
	}
	return rules
}

// finds returns the tokens that the rules find in a text.
func finds(rules []found, text string) (all []string) {
	for _, r := range rules {
		for _, m := range r.pattern.FindAllStringSubmatch(text, -1) {
			all = append(all, m[1])
		}
	}
	return all
}

// mint returns tokens as the program makes them.
func mint(t *testing.T, namespace string, typ store.Type, n int) []string {
	t.Helper()
	keys, err := store.Options{Namespace: namespace, FlushInterval: -1}.New(store.NewMemory())
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close(t.Context())
	batch := make([]store.NewKey, n)
	for i := range batch {
		batch[i].Type = typ
	}
	made, err := keys.CreateMany(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	var tokens []string
	for _, m := range made {
		tokens = append(tokens, m.Token.Reveal())
	}
	return tokens
}

const medusaSecret = "sk_6c1f0a9be8d7c6b5a4f3e2d1c0b9a8f7e6d5c4b3a2f1e0d9c8b7a6f5e4d3cbf7"

func TestScanRulesFindTokensAndNothingElseMore(t *testing.T) {
	t.Parallel()
	for _, namespace := range []string{"", "acme"} {
		own := mint(t, namespace, store.Secret, 1000)
		public := mint(t, namespace, store.Publishable, 1)[0]
		other := mint(t, "other", store.Secret, 1)[0]
		token := own[0]
		for _, format := range []string{"gitleaks", "trufflehog", "github"} {
			t.Run(format+" "+namespace, func(t *testing.T) {
				rules := rulesOf(t, format, newShell(t).ok("scan-rules", "-format", format, "-namespace", namespace).stdout)
				if len(rules) != 2 {
					t.Fatalf("%d rules, want one for Latchkey's tokens and one for Medusa's", len(rules))
				}
				for _, token := range append(own, medusaSecret) {
					for _, around := range []string{"%s", "KEY=%s\n", `"%s"`, "curl -u %s:", "https://x.example/?key=%s&a", "https://%s:@x.example", "Bearer%%20%s", `"a\n%s\n"`, "<b>%s</b>", "_%s", "(%s).", "key: %s # it"} {
						if got := finds(rules, fmt.Sprintf(around, token)); len(got) != 1 || got[0] != token {
							t.Fatalf("in %q: %v", around, got)
						}
					}
				}
				if got := finds(rules, own[1]+" "+own[2]+"\n"+medusaSecret+","+own[3]+"\""); len(got) != 4 && format != "github" {
					t.Errorf("side by side: %v", got)
				}
				for name, near := range map[string]string{
					"a publishable token":     public,
					"another namespace":       other,
					"a character less":        token[:len(token)-1],
					"a character more":        token + "x",
					"an underscore more":      token + "_x",
					"letters before it":       "ri" + token,
					"a digit before it":       "1" + token,
					"upper case":              strings.ToUpper(token[:3]) + token[3:],
					"not its alphabet":        token[:20] + "-" + token[21:],
					"Medusa's, a digit less":  medusaSecret[:66],
					"Medusa's, a digit more":  medusaSecret + "0",
					"Medusa's, publishable":   "pk" + medusaSecret[2:],
					"Medusa's, upper case":    "sk_" + strings.ToUpper(medusaSecret[3:]),
					"a hash behind a word":    "disk_" + medusaSecret[3:],
					"a key that looks so":     "sk_live_" + strings.Repeat("a", 49),
					"the prefix of something": "sk_test",
				} {
					if got := finds(rules, " "+near+" "); len(got) != 0 {
						t.Errorf("%s: found %v", name, got)
					}
				}

				t.Run("a wrong checksum is found all the same, which a regular expression cannot know", func(t *testing.T) {
					wrong := token[:20] + string('a'+('b'-token[20])%2) + token[21:]
					if _, err := store.ParseToken(wrong); err == nil {
						t.Fatal("it is right")
					}
					if got := finds(rules, wrong); len(got) != 1 {
						t.Errorf("%v", got)
					}
				})
				t.Run("every token has more entropy than the rule wants", func(t *testing.T) {
					for _, token := range own {
						if e := entropy(token); e <= rules[0].entropy {
							t.Fatalf("%.2f bits per character, the rule wants %g", e, rules[0].entropy)
						}
					}
					for _, token := range own { // Medusa's are the hexadecimal digits of any 32 random bytes
						parsed, err := store.ParseToken(token)
						if err != nil {
							t.Fatal(err)
						}
						if e := entropy(fmt.Sprintf("sk_%x", [32]byte(parsed.LookupID()))); e <= rules[1].entropy {
							t.Fatalf("%.2f bits per character, the rule wants %g", e, rules[1].entropy)
						}
					}
				})
			})
		}
	}
}

// entropy is Shannon's, in bits per character, as the scanners compute it.
func entropy(s string) (bits float64) {
	counts := map[rune]float64{}
	for _, c := range s {
		counts[c]++
	}
	for _, n := range counts {
		p := n / float64(len(s))
		bits -= p * math.Log2(p)
	}
	return bits
}

func TestScanRulesForSeveralNamespaces(t *testing.T) {
	t.Parallel()
	sh := newShell(t, "LATCHKEY_NAMESPACE", "acme")
	names := func(args ...string) string {
		var all []string
		for _, r := range rulesOf(t, "gitleaks", sh.ok(append([]string{"scan-rules"}, args...)...).stdout) {
			all = append(all, r.id)
		}
		return strings.Join(all, " ")
	}
	for _, c := range []struct{ args, want string }{
		{"", "latchkey-acme-secret-key medusa-secret-key"},
		{"-namespace other -namespace other -no-medusa", "latchkey-other-secret-key"},
		{"-namespace other -namespace= -no-medusa", "latchkey-other-secret-key latchkey-secret-key"},
	} {
		if got := names(strings.Fields(c.args)...); got != c.want {
			t.Errorf("scan-rules %s: %s, want %s", c.args, got, c.want)
		}
	}
}

// TestTheExamplesAreNoKeys: the test strings have the form, and too little entropy to be reported
// from a page that shows them.
func TestTheExamplesAreNoKeys(t *testing.T) {
	t.Parallel()
	for _, r := range rulesFor([]string{"", "acme"}, true) {
		if !regexp.MustCompile(`^` + r.prefix + r.body + `$`).MatchString(r.example) {
			t.Errorf("%s: the example does not have the form", r.id)
		}
		if e := entropy(r.example); e >= r.entropy {
			t.Errorf("%s: the example has %.2f bits per character", r.id, e)
		}
		if _, err := store.ParseToken(r.example); err == nil && r.id != "medusa-secret-key" {
			t.Errorf("%s: the example is a token", r.id)
		}
	}
}

func TestTheDocumentShowsWhatTheProgramPrints(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/secret-scanning.md")
	if err != nil {
		t.Fatal(err)
	}
	for format, language := range map[string]string{"gitleaks": "toml", "trufflehog": "yaml", "github": "text"} {
		want := "```" + language + "\n" + newShell(t).ok("scan-rules", "-format", format).stdout + "```\n"
		if !strings.Contains(string(page), want) {
			t.Errorf("docs/secret-scanning.md does not have\n%s", want)
		}
	}
}
