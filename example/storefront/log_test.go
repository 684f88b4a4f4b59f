package main

import (
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

// TestRequirement02TheLogOfTheExampleHoldsNoSecret sends a key wherever somebody may put one: the
// log of a program is written by the program, not by the libraries alone.
func TestRequirement02TheLogOfTheExampleHoldsNoSecret(t *testing.T) {
	p := start(t, t.TempDir())
	_, sk := p.firstKeys()
	unknown := mint(t, store.Secret)
	for _, token := range []string{sk, unknown} {
		for _, path := range []string{
			"/admin/api-keys/" + token, "/admin/api-keys/" + token + "/events", "/store/products/" + token, "/nowhere/" + token + "," + token, "/admin/api-keys?q=" + token,
			"/admin/api-keys/s%6b" + token[2:], "/admin/ui/" + token, "/x-" + token,
		} {
			for _, header := range [][]string{
				{secretKey(sk)}, {secretKey(token), "X-Request-Id: " + token}, {"X-Request-Id: id-" + token}, {publishableKey(token)}, {"Cookie: key=" + token}, {"User-Agent: " + token},
			} {
				p.get(path, header...)
			}
		}
		p.ask("POST", "/admin/api-keys/"+token+"/revoke", `{"token":"`+token+`"}`, secretKey(sk))
	}
	p.stop()
	log := p.stderr.String()
	for _, token := range []string{sk, unknown} {
		if at := strings.Index(log, token[8:len(token)-6]); at >= 0 {
			t.Errorf("a secret is in the log: …%s…", log[max(0, at-200):min(len(log), at+100)])
		}
	}
	if !strings.Contains(log, "path=/admin/api-keys/"+sk[:6]+"***"+sk[len(sk)-3:]+" status=404") {
		t.Error("the log does not have the requests: this test does not look where it should")
	}
}
