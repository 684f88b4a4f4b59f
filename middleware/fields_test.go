package keyauth_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// rateItem is an Item of the fields RateLimit-Policy and RateLimit.
type rateItem struct {
	name   string
	params map[string]int64
}

// The grammar of RFC 9651, section 4.2, as far as draft-ietf-httpapi-ratelimit-headers-11 uses it:
// a List of Strings with Integers as parameters, without inner lists, and strict where parsers are
// told to fail.
var (
	sfString = regexp.MustCompile(`^"((?:[ !#-\[\]-~]|\\["\\])*)"`)
	sfParam  = regexp.MustCompile(`^; *([a-z*][a-z0-9_.*-]*)=(-?[0-9]{1,15})`)
	sfComma  = regexp.MustCompile(`^[ \t]*,[ \t]*`)
)

// parseRate parses the lines of a field, and fails the test if a parser of structured fields would
// ignore it.
func parseRate(t *testing.T, lines []string) []rateItem {
	t.Helper()
	items, err := sfList(strings.Join(lines, ", "))
	if err != nil {
		t.Fatalf("%q: %v", lines, err)
	}
	return items
}

func sfList(in string) ([]rateItem, error) {
	rest := strings.Trim(in, " ")
	var items []rateItem
	for rest != "" {
		name := sfString.FindStringSubmatch(rest)
		if name == nil {
			return nil, fmt.Errorf("no String at %q", rest)
		}
		rest = rest[len(name[0]):]
		item := rateItem{name: name[1], params: map[string]int64{}}
		for {
			param := sfParam.FindStringSubmatch(rest)
			if param == nil {
				break
			}
			rest = rest[len(param[0]):]
			n, err := strconv.ParseInt(param[2], 10, 64)
			if err != nil {
				return nil, err
			}
			item.params[param[1]] = n
		}
		items = append(items, item)
		if rest == "" {
			return items, nil
		}
		comma := sfComma.FindString(rest)
		if comma == "" || comma == rest {
			return nil, fmt.Errorf("no member at %q", rest)
		}
		rest = rest[len(comma):]
	}
	return items, nil
}

func TestTheTestsOwnParserIsStrict(t *testing.T) {
	// The examples of the draft, sections 3.2 and 4.2, without those with partition keys.
	for _, good := range []string{`"burst";q=100;w=60,"daily";q=1000;w=86400`, `"default";q=100;w=10`, `"permin";q=50;w=60,"perhr";q=1000;w=3600`, `"default";r=50;t=30`} {
		if items, err := sfList(good); err != nil || len(items) == 0 || len(items[0].params) != 2 {
			t.Errorf("%s: %v, %v", good, items, err)
		}
	}
	for _, bad := range []string{`default;q=100`, `"default";q=100.5.5`, `"default" ;q=100`, `"default";Q=100`, `"default";q=1234567890123456`, `"default";q=100,`, `"déf";q=1`, `"a";q=1 "b";q=2`} {
		if items, err := sfList(bad); err == nil {
			t.Errorf("%s: %v", bad, items)
		}
	}
}
