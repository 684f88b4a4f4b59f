package main

import (
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestPrintedCommandsAnswerAsPromised(t *testing.T) {
	for _, mode := range []struct {
		name    string
		env     []string
		refused int
	}{
		{"by default", nil, 401},
		{"with MEDUSA_COMPAT", []string{"MEDUSA_COMPAT=1"}, 400},
	} {
		want := []int{mode.refused, 200, 201, 200, 200, 200, 200, 200, 200, mode.refused}
		for _, by := range []struct {
			name string
			run  func(*testing.T, string, map[string]string) int
		}{
			{"sent by a request of our own", sendCurl},
			{"run by a shell", runCurl},
		} {
			t.Run(mode.name+", "+by.name, func(t *testing.T) {
				p := start(t, t.TempDir(), mode.env...)
				p.firstKeys()
				values := exports(p.stdout.String())
				var got []int
				for line := range strings.Lines(p.stdout.String()) {
					if strings.HasPrefix(line, "curl ") {
						got = append(got, by.run(t, line, values))
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("statuses %v, want %v", got, want)
				}
				if n := strings.Count(p.stdout.String(), "refused, "+strconv.Itoa(mode.refused)); n != 2 {
					t.Errorf("%d commands are said to be refused with %d, want 2", n, mode.refused)
				}
				for _, token := range []string{values["PK"], values["SK"]} {
					if strings.Contains(p.stderr.String(), token) {
						t.Error("a token is in the log")
					}
				}
			})
		}
	}
}

// exports returns what lines "export NAME=value" set.
func exports(text string) map[string]string {
	values := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^export (\w+)=(\S+)$`).FindAllStringSubmatch(text, -1) {
		values[m[1]] = m[2]
	}
	return values
}

// runCurl has the real program run the line, in a shell.
func runCurl(t *testing.T, line string, values map[string]string) int {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("SKIPPED: there is no curl here")
	}
	cmd := exec.Command("sh", "-c", strings.TrimSpace(line)+` -sS -o /dev/null -w '%{http_code}'`)
	for name, value := range values {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	status, notNumber := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil || notNumber != nil {
		t.Fatalf("%s: %v: %s", line, err, out)
	}
	return status
}

// sendCurl understands those of curl's options that the program prints.
func sendCurl(t *testing.T, line string, values map[string]string) int {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	words := shellWords(t, line, values)
	for i := 1; i < len(words); i++ {
		next := func() string { i++; return words[i] }
		switch word := words[i]; word {
		case "-i":
		case "-w":
			next()
		case "-X":
			r.Method = next()
		case "-H":
			name, value, _ := strings.Cut(next(), ":")
			r.Header.Set(name, strings.TrimSpace(value))
		case "-u":
			user, password, _ := strings.Cut(next(), ":")
			r.SetBasicAuth(user, password)
		case "-d":
			body := next()
			r.Method, r.Body, r.ContentLength = http.MethodPost, io.NopCloser(strings.NewReader(body)), int64(len(body))
		default:
			if r.URL, err = r.URL.Parse(word); err != nil {
				t.Fatal(err)
			}
		}
	}
	return send(t, r).status
}

// shellWords splits a line as a shell does: at spaces outside of quotes, with variables outside of
// single quotes.
func shellWords(t *testing.T, line string, values map[string]string) []string {
	t.Helper()
	var words []string
	var word strings.Builder
	var quote byte
	line = strings.TrimSpace(line) + " "
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote == 0 && c == ' ':
			words = append(words, word.String())
			word.Reset()
		case quote != '\'' && c == '$':
			name := regexp.MustCompile(`^\w+`).FindString(line[i+1:])
			value, ok := values[name]
			if !ok {
				t.Fatalf("$%s is not set in: %s", name, line)
			}
			word.WriteString(value)
			i += len(name)
		default:
			word.WriteByte(c)
		}
	}
	return words
}
