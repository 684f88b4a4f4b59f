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
		name: "scan-rules", short: "print rules by which secret scanners find your keys",
		long: `Prints rules for gitleaks (TOML), TruffleHog (YAML) or GitHub's custom patterns (text to paste) that find secret keys in code, for the
namespace of your tokens and for tokens in Medusa's form. Publishable keys are public and not looked for. It needs no database. docs/secret-scanning.md
says how to use them.

  latchkey scan-rules -namespace acme -format gitleaks > .gitleaks.toml
  latchkey scan-rules -namespace acme -namespace ""      # keys made before there was a namespace, too`,
		flags: func(p *program, flags *flag.FlagSet) func(context.Context, []string) error {
			format := oneOf{value: "gitleaks", allowed: []string{"gitleaks", "trufflehog", "github"}}
			flags.Var(&format, "format", "of which `SCANNER`: gitleaks, trufflehog or github")
			var namespaces []string
			flags.Func("namespace", "what stands in your tokens, sk_`NAME`_…; may be repeated (default $LATCHKEY_NAMESPACE)", func(s string) error {
				namespaces = append(namespaces, s)
				return nil
			})
			noMedusa := flags.Bool("no-medusa", false, "leave out the rule for tokens in Medusa's form")
			return func(_ context.Context, args []string) error {
				if err := none(args); err != nil {
					return err
				}
				names := unique(namespaces)
				if len(names) == 0 {
					names = []string{p.getenv("LATCHKEY_NAMESPACE")}
				}
				for _, name := range names {
					if err := checkNamespace(name); err != nil {
						return err
					}
				}
				_, err := fmt.Fprint(p.stdout, scanRules(format.value, names, !*noMedusa))
				return err
			}
		},
	}
}

// unique leaves out what was there before: a rule's id stands for one rule.
func unique(names []string) (once []string) {
	for _, name := range names {
		if !slices.Contains(once, name) {
			once = append(once, name)
		}
	}
	return once
}

// scanRule is what a scanner needs to know of one form of token. No regular expression can hold the checksum of Latchkey's own form, the last
// six characters.
type scanRule struct {
	id, title string
	prefix    string  // what all begin with
	body      string  // a regular expression of what follows, understood by RE2 and Hyperscan alike
	entropy   float64 // bits per character that a genuine one always has; placeholders have less
	example   string  // has the form, and is no key
}

// The boundaries of a token. Before it, an escape sequence ends in letters or digits: %20sk_…, \nsk_….
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

// scanRules returns the rules in the form that the scanner reads.
func scanRules(format string, namespaces []string, medusa bool) string {
	rules := rulesFor(namespaces, medusa)
	var b strings.Builder
	switch format {
	case "gitleaks":
		b.WriteString("# Secret API keys, for gitleaks 8.\n[extend]\nuseDefault = true # gitleaks's own rules\n")
		for _, r := range rules {
			fmt.Fprintf(&b, "\n[[rules]]\nid = %q\ndescription = %q\nregex = '''(?:%s)(%s%s)\\b'''\nsecretGroup = 1\nentropy = %g\nkeywords = [%q]\n",
				r.id, r.title, beforeToken, r.prefix, r.body, r.entropy, r.prefix)
		}
	case "trufflehog":
		b.WriteString("# Secret API keys, for TruffleHog 3.\ndetectors:\n")
		for _, r := range rules {
			fmt.Fprintf(&b, "  - name: %s\n    keywords:\n      - %s\n    regex:\n      token: '(?:%s)(%s%s)\\b'\n    entropy: %g\n",
				r.id, r.prefix, beforeToken, r.prefix, r.body, r.entropy)
		}
	case "github":
		b.WriteString("Secret API keys, for custom patterns of GitHub's secret scanning: one pattern each.\n")
		for _, r := range rules {
			fmt.Fprintf(&b, "\nPattern name:   %s\nSecret format:  %s%s\nBefore secret:  %s\nAfter secret:   %s\nTest string:    %s\n",
				r.title, r.prefix, r.body, beforeToken, afterToken, r.example)
		}
	}
	return b.String()
}
