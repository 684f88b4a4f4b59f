package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
)

func scanRulesCommand() command {
	return command{
		name: "scan-rules", short: "print rules with which secret scanners find your keys",
		long: `Prints rules for gitleaks (TOML), TruffleHog (YAML) or GitHub's custom patterns (text to paste) that
find secret keys in code, for the namespace of your tokens and for Medusa's tokens. They do not look
for publishable keys, which are public. It needs no database. docs/secret-scanning.md explains their
use.

  latchkey scan-rules -namespace acme -format gitleaks > .gitleaks.toml
  latchkey scan-rules -namespace acme -namespace ""      # also keys without a namespace`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			format := choiceFlag{value: "gitleaks", allowed: []string{"gitleaks", "trufflehog", "github"}}
			flags.Var(&format, "format", "format of this `SCANNER`: gitleaks, trufflehog or github")
			var namespaces []string
			const usage = "namespace of your tokens, sk_`NAME`_…; can be repeated (default $LATCHKEY_NAMESPACE)"
			flags.Func("namespace", usage, func(s string) error {
				if !slices.Contains(namespaces, s) { // ids of rules must be unique
					namespaces = append(namespaces, s)
				}
				return nil
			})
			noMedusa := flags.Bool("no-medusa", false, "omit the rule for Medusa's tokens")
			return func(_ context.Context, args []string) error {
				if err := noArguments(args); err != nil {
					return err
				}
				if len(namespaces) == 0 {
					namespaces = []string{p.getenv("LATCHKEY_NAMESPACE")}
				}
				for _, name := range namespaces {
					if err := checkNamespace(name); err != nil {
						return err
					}
				}
				_, err := fmt.Fprint(p.stdout, scanRules(format.value, namespaces, !*noMedusa))
				return err
			}
		},
	}
}

// scanRule describes one form of token to a scanner. A regular expression cannot check the checksum
// in Latchkey's form, which is the last six characters.
type scanRule struct {
	id, title string
	prefix    string  // of all tokens
	body      string  // regular expression of the rest, for RE2 and Hyperscan
	entropy   float64 // least bits per character of a token; placeholders have fewer
	example   string  // not a key
}

// The boundaries of a token. An escape sequence before it ends in a letter or digit: %20sk_…,
// \nsk_….
const (
	beforeToken = `\A|[^0-9A-Za-z]|%[0-9A-Fa-f]{2}|\\[nrt]`
	afterToken  = `\z|[^0-9A-Za-z_]`
)

func rulesFor(namespaces []string, medusa bool) []scanRule {
	var rules []scanRule
	for _, name := range namespaces {
		r := scanRule{
			id: "latchkey-secret-key", title: "Latchkey secret key", prefix: "sk_", body: "[0-9A-Za-z]{49}", entropy: 4,
		}
		if name != "" {
			r.id, r.title, r.prefix = "latchkey-"+name+"-secret-key", r.title+" of "+name, r.prefix+name+"_"
		}
		r.example = r.prefix + strings.Repeat("EXAMPLE", 7)
		rules = append(rules, r)
	}
	if medusa {
		rules = append(rules, scanRule{
			id: "medusa-secret-key", title: "Medusa secret key", prefix: "sk_", body: "[0-9a-f]{64}", entropy: 3,
			example: "sk_" + strings.Repeat("0", 64),
		})
	}
	return rules
}

// scanRules returns the rules in the format of the scanner.
func scanRules(format string, namespaces []string, medusa bool) string {
	rules := rulesFor(namespaces, medusa)
	var b strings.Builder
	switch format {
	case "gitleaks":
		b.WriteString("# Secret API keys, for gitleaks 8.\n[extend]\nuseDefault = true # gitleaks's own rules\n")
		for _, r := range rules {
			fmt.Fprintf(&b, "\n[[rules]]\nid = %q\ndescription = %q\nregex = '''(?:%s)(%s%s)\\b'''\n"+
				"secretGroup = 1\nentropy = %g\nkeywords = [%q]\n",
				r.id, r.title, beforeToken, r.prefix, r.body, r.entropy, r.prefix)
		}
	case "trufflehog":
		b.WriteString("# Secret API keys, for TruffleHog 3.\ndetectors:\n")
		for _, r := range rules {
			fmt.Fprintf(&b, "  - name: %s\n    keywords:\n      - %s\n"+
				"    regex:\n      token: '(?:%s)(%s%s)\\b'\n    entropy: %g\n",
				r.id, r.prefix, beforeToken, r.prefix, r.body, r.entropy)
		}
	case "github":
		b.WriteString("Secret API keys, for custom patterns of GitHub's secret scanning: one pattern each.\n")
		for _, r := range rules {
			fmt.Fprintf(&b, "\nPattern name:   %s\nSecret format:  %s%s\n"+
				"Before secret:  %s\nAfter secret:   %s\nTest string:    %s\n",
				r.title, r.prefix, r.body, beforeToken, afterToken, r.example)
		}
	}
	return b.String()
}
