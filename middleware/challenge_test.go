package keyauth_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// challengeForm is what RFC 9110, 11.6.1 and RFC 6750, 3 allow: the scheme, and then parameters
// that are quoted, separated by commas.
var challengeForm = regexp.MustCompile(`^Bearer( [a-z_]+="([^"\\]|\\.)*"(, [a-z_]+="([^"\\]|\\.)*")*)?$`)

// Every 401 names the scheme (RFC 9110, 11.6.1), with an error code only when a credential was sent
// (RFC 6750, 3.1).
func TestRequirement16Every401HasAChallenge(t *testing.T) {
	w := newWorld(t)
	for _, d := range doors() {
		for _, style := range []keyauth.ErrorStyle{keyauth.StandardErrors, keyauth.MedusaErrors} {
			for _, types := range [][]store.Type{{store.Secret}, {store.Publishable}, {store.Secret, store.Publishable}} {
				for _, realm := range []string{"", `a "shop"`} {
					for _, optional := range []bool{false, true} {
						config := w.config(types...)
						config.Errors, config.Realm, config.Optional = style, realm, optional
						h := d.open(t, config, "orders:write")
						for name, lines := range map[string][]string{
							"nothing":         {},
							"an empty header": {"X-Api-Key", " ", "Authorization", "Basic "},
							"another scheme":  {"Authorization", "Digest username=a"},
							"a JWT":           {"Authorization", "Bearer eyJhbGciOi.e30.sig"},
							"a malformed key": {"X-Api-Key", "sk_nonsense"},
							"an unknown key":  {"X-Api-Key", w.unknown},
							"a revoked key":   {"Authorization", "bAsIc " + w.revoked},
							"an expired key":  {"X-Api-Key", w.expired},
							"an unknown shop": {"X-Publishable-Api-Key", "pk_nonsense"},
						} {
							got := serve(h, request(lines...))
							told := got.Header().Values("WWW-Authenticate")
							where := fmt.Sprintf("%s, style %d, types %v, realm %q, optional %v, %s: %d %q", d.name, style, types, realm, optional, name, got.Code, told)
							if got.Code == http.StatusUnauthorized && (len(told) != 1 || !challengeForm.MatchString(told[0])) {
								t.Errorf("%s is no challenge", where)
							}
							sent := !strings.HasPrefix(name, "nothing") && !strings.HasPrefix(name, "an empty") && !strings.HasPrefix(name, "another")
							if !sent && strings.Contains(strings.Join(told, ""), "error=") {
								t.Errorf("%s has an error code although nothing was sent", where)
							}
						}
					}
				}
			}
		}
	}
}
