// Package sdk_test drives the storefront with Medusa's own client, @medusajs/js-sdk, so that "no
// client notices" is seen and not believed. drive.mjs is the client's side; it needs node and npm,
// and the lock file says which packages.
package sdk_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMedusasClient(t *testing.T) {
	client, program := install(t), build(t)
	for _, mode := range []struct {
		name   string
		medusa bool
	}{
		{"does not notice that it is not Medusa", true},
		{"manages keys of a shop that keeps Latchkey's own statuses", false},
	} {
		t.Run(mode.name, func(t *testing.T) {
			s := start(t, program, mode.medusa)
			said := drive(t, client, s)
			names := newNames(s)
			for i, want := range steps() {
				if i >= len(said) {
					t.Fatalf("the client did not get to %q", want.name)
				}
				got := said[i]
				if got.Step != want.name {
					t.Fatalf("step %d is %q, want %q", i+1, got.Step, want.name)
				}
				expected := want.answer
				if !mode.medusa && want.plainly != "" {
					expected = want.plainly
				}
				if told := names.in(got.String()); told != expected {
					t.Errorf("%s\n got %s\nwant %s", want.name, told, expected)
				}
			}
			if len(said) > len(steps()) {
				t.Errorf("nobody knows what step %q must say", said[len(steps())].Step)
			}
		})
	}
}

// line is what drive.mjs prints for a step.
type line struct {
	Step   string
	Answer json.RawMessage // in the order of the wire: JSON.parse and JSON.stringify keep it
	Error  *struct {
		Status  int
		Message string
	}
}

func (l line) String() string {
	if l.Error != nil {
		return fmt.Sprintf("%d %s", l.Error.Status, l.Error.Message)
	}
	return string(l.Answer)
}

// drive runs drive.mjs against the shop and returns what it printed.
func drive(t *testing.T, client string, s shop) []line {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", "drive.mjs")
	cmd.Dir = client
	cmd.Env = append(os.Environ(), "BASE="+s.base, "PK="+s.publishable, "SK="+s.secret)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node drive.mjs: %v\n%s%s", err, out, &stderr)
	}
	var lines []line
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		var l line
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			t.Fatalf("%v in %s", err, s.Bytes())
		}
		lines = append(lines, l)
	}
	return lines
}

// names gives what differs from run to run a name, so that whole answers can be compared: ids are
// apk_1, apk_2, … and tokens pk_1, sk_1, … in the order of their appearance, times TIME. The
// redacted form of a token is only recognised if it is that token's.
type names struct{ of, redacted map[string]string }

var (
	unique = regexp.MustCompile(`"(apk_[0-9A-HJKMNP-TV-Z]{26}|[ps]k_[0-9A-Za-z]{49})"|apk_[0-9A-HJKMNP-TV-Z]{26}`)
	short  = regexp.MustCompile(`[ps]k_\w{3}\*{3}\w{3}`)
	moment = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`)
	used   = regexp.MustCompile(`"last_used_at":(null|TIME)`) // it is written now and then
)

func newNames(s shop) *names {
	n := &names{map[string]string{}, map[string]string{}}
	n.in(`"` + s.publishable + `","` + s.secret + `"`)
	return n
}

func (n *names) in(answer string) string {
	answer = unique.ReplaceAllStringFunc(answer, func(found string) string {
		value := strings.Trim(found, `"`)
		if n.of[value] == "" {
			kind, _, _ := strings.Cut(value, "_")
			count := 1
			for _, name := range n.of {
				if strings.HasPrefix(name, kind+"_") {
					count++
				}
			}
			n.of[value] = fmt.Sprintf("%s_%d", kind, count)
			if kind != "apk" {
				n.redacted[value[:6]+"***"+value[len(value)-3:]] = n.of[value] + "***"
			}
		}
		return strings.Replace(found, value, n.of[value], 1)
	})
	answer = short.ReplaceAllStringFunc(answer, func(found string) string {
		if name := n.redacted[found]; name != "" {
			return name
		}
		return found
	})
	return used.ReplaceAllString(moment.ReplaceAllString(answer, "TIME"), `"last_used_at":USED`)
}
