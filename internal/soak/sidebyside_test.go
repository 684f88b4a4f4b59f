package soak_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// may is how the instance's power() writes what an unrestricted secret key may do, with parts of it
// replaced.
func may(replaced ...string) string {
	return strings.NewReplacer(replaced...).Replace(
		"secret scopes []string(nil) channels []string(nil) networks [] limit {0 0s} expires not set revoked not set false")
}

// powers are keys of every kind of power: what the admin routes make them from, what is asked of
// them then, and what such a key may do.
var powers = []struct{ name, attributes, route, body, want string }{
	{"unrestricted", `"type":"secret"`, "", "", may()},
	{"no scope", `"type":"secret","scopes":[]`, "", "", may("scopes []string(nil)", "scopes []string{}")},
	{"two scopes", `"type":"secret","scopes":["a:read","b:write"]`, "", "",
		may("scopes []string(nil)", `scopes []string{"a:read", "b:write"}`)},
	{"one network", `"type":"secret","allowed_cidrs":["127.0.0.0/8"]`, "", "", may("networks []", "networks [127.0.0.0/8]")},
	{"a limit", `"type":"secret","rate_limit":{"requests":1000,"window":60}`, "", "", may("{0 0s}", "{1000 1m0s}")},
	{"an end", `"type":"secret","expires_at":"2099-01-31T12:00:00Z"`, "", "",
		may("expires not set", "expires 2099-01-31T12:00:00.000Z")},
	{"an end that is scheduled", `"type":"secret"`, "/revoke", `{"revoke_in":86400}`, may("revoked not set", "revoked then")},
	{"publishable", `"type":"publishable"`, "", "", may("secret", "publishable")},
	{"publishable with channels", `"type":"publishable"`, "/sales-channels", `{"add":["sc_1","sc_2"]}`,
		may("secret", "publishable", "channels []string(nil)", `channels []string{"sc_1", "sc_2"}`)},
	{"everything", `"type":"secret","scopes":["a:read"],"allowed_cidrs":["127.0.0.1/32"],` +
		`"rate_limit":{"requests":1000,"window":60},"expires_at":"2099-01-31T12:00:00Z"`, "", "",
		may("scopes []string(nil)", `scopes []string{"a:read"}`, "networks []", "networks [127.0.0.1/32]",
			"{0 0s}", "{1000 1m0s}", "expires not set", "expires 2099-01-31T12:00:00.000Z")},
}

// manage asks an admin route, expects success, and reports whether that came. It asks again where
// that could not be decided, as clients should.
func (m *mix) manage(i *instance, method, path, body string, to any) bool {
	m.t.Helper()
	var a answer
	var got []byte
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		asked := a.status
		a, got = m.ask(i, m.admin, m.admin.token, method, "/admin/api-keys"+path, body)
		if asked != 0 && a.status == http.StatusBadRequest && strings.Contains(string(got), "already revoked") {
			return true // by the first try
		}
		if a.err != nil || a.status != http.StatusServiceUnavailable {
			break
		}
	}
	if a.err != nil || a.status != http.StatusOK {
		m.t.Errorf("%s %s: %s %s: %d %v %s", m.name(i), method, path, body, a.status, a.err, got)
		return false
	}
	if to == nil {
		return true
	}
	if err := json.Unmarshal(got, to); err != nil {
		m.t.Errorf("%v in %s", err, got)
		return false
	}
	return true
}

// keyFrom makes a key by an admin route, or returns one that nothing lets in.
func (m *mix) keyFrom(i *instance, path, body string) *key {
	m.t.Helper()
	var got struct {
		Key struct{ ID, Token string } `json:"api_key"`
	}
	m.manage(i, http.MethodPost, path, body, &got)
	return &key{id: got.Key.ID, token: got.Key.Token, created: m.now()}
}

// make makes a key at an instance.
func (m *mix) make(i *instance, attributes string) *key {
	m.t.Helper()
	return m.keyFrom(i, "", `{"title":"mix",`+attributes+`}`)
}

// post changes a key at an instance.
func (m *mix) post(i *instance, k *key, route, body string) {
	m.t.Helper()
	m.manage(i, http.MethodPost, "/"+k.id+route, body, nil)
}

// seen is what an instance says of a key that is used.
func (m *mix) seen(i *instance, k *key) (status int, power string) {
	m.t.Helper()
	a, body := m.ask(i, k, k.token, http.MethodGet, "/key", "")
	if a.err != nil {
		m.t.Errorf("%s: %v", m.name(i), a.err)
		return 0, ""
	}
	if a.status != http.StatusOK {
		return a.status, ""
	}
	var shown struct{ Power string }
	if err := json.Unmarshal(body, &shown); err != nil {
		m.t.Errorf("%v in %s", err, body)
	}
	return a.status, shown.Power
}

// everywhere fails the test unless every instance answers with that status and lets the key have
// that power. In power, "then" stands for any time.
func (m *mix) everywhere(what string, k *key, status int, power string) {
	m.t.Helper()
	before, after, timed := strings.Cut(power, "then")
	for range 2 { // the second time from memory
		for _, i := range m.present() {
			got, shown := m.seen(i, k)
			for deadline := time.Now().Add(patience); got == http.StatusServiceUnavailable && status != got &&
				time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
				got, shown = m.seen(i, k) // the machine is too slow
			}
			fits := shown == power || timed && strings.HasPrefix(shown, before+"20") && strings.HasSuffix(shown, after)
			if got != status || !fits {
				m.t.Errorf("%s: %s answers %d %s; want %d %s", what, m.name(i), got, shown, status, power)
			}
		}
	}
}

// nowhere fails the test unless every instance refuses the key.
func (m *mix) nowhere(what string, k *key) {
	m.t.Helper()
	m.everywhere(what, k, http.StatusUnauthorized, "")
}

func (m *mix) name(i *instance) string {
	if m.isOld(i) {
		return fmt.Sprintf("version 1 (instance %d)", i.n)
	}
	return fmt.Sprintf("this version (instance %d)", i.n)
}

// many makes one key of each power at an instance.
func (m *mix) many(i *instance) []*key {
	all := make([]*key, len(powers))
	var making sync.WaitGroup
	for n, p := range powers {
		making.Go(func() {
			all[n] = m.make(i, p.attributes)
			if p.route != "" {
				m.post(i, all[n], p.route, p.body)
			}
		})
	}
	making.Wait()
	return all
}

// same fails the test unless the keys of many have their powers everywhere.
func (m *mix) same(what string, all []*key) {
	m.t.Helper()
	for n, p := range powers {
		m.everywhere(what+": "+p.name, all[n], http.StatusOK, p.want)
	}
}

// change changes a key at an instance and says what all must answer then.
type change struct {
	name, attributes string
	do               func(m *mix, at *instance, k *key) *key // nil: what follows is of the same key
	status           int
	power            string
}

var changes = []change{
	{"scopes", `"type":"secret"`, func(m *mix, at *instance, k *key) *key {
		m.post(at, k, "", `{"scopes":[]}`)
		return nil
	}, http.StatusOK, may("scopes []string(nil)", "scopes []string{}")},
	{"more scopes", `"type":"secret","scopes":[]`, func(m *mix, at *instance, k *key) *key {
		m.post(at, k, "", `{"scopes":["a:read"]}`)
		return nil
	}, http.StatusOK, may("scopes []string(nil)", `scopes []string{"a:read"}`)},
	{"networks", `"type":"secret"`, func(m *mix, at *instance, k *key) *key {
		m.post(at, k, "", `{"allowed_cidrs":["192.0.2.0/24"]}`)
		return nil
	}, http.StatusForbidden, ""},
	{"limit", `"type":"secret"`, func(m *mix, at *instance, k *key) *key {
		m.post(at, k, "", `{"rate_limit":{"requests":1000,"window":60}}`)
		return nil
	}, http.StatusOK, may("{0 0s}", "{1000 1m0s}")},
	{"channels", `"type":"publishable"`, func(m *mix, at *instance, k *key) *key {
		m.post(at, k, "/sales-channels", `{"add":["sc_9"]}`)
		return nil
	}, http.StatusOK, may("secret", "publishable", "channels []string(nil)", `channels []string{"sc_9"}`)},
	{"revoke", `"type":"secret"`, func(m *mix, at *instance, k *key) *key {
		m.post(at, k, "/revoke", "")
		return nil
	}, http.StatusUnauthorized, ""},
	{"delete", `"type":"secret"`, func(m *mix, at *instance, k *key) *key {
		m.post(at, k, "/revoke", "")
		m.manage(at, http.MethodDelete, "/"+k.id, "", nil)
		return nil
	}, http.StatusUnauthorized, ""},
	{"roll", `"type":"secret","scopes":["a:read"]`, func(m *mix, at *instance, k *key) *key {
		next := m.keyFrom(at, "/"+k.id+"/roll", "")
		m.nowhere("rolled", k)
		return next
	}, http.StatusOK, may("scopes []string(nil)", `scopes []string{"a:read"}`)},
	{"import", `"type":"secret"`, func(m *mix, at *instance, _ *key) *key {
		k := &key{token: m.token()}
		m.nowhere("not imported yet", k)
		for deadline := time.Now().Add(patience); !m.importAt(at, k); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				m.t.Errorf("%s does not import", m.name(at))
				break
			}
		}
		return k
	}, http.StatusOK, may()},
}

// crosswise makes every change at every instance, of a key that another has made and that all have
// used.
func (m *mix) crosswise() {
	var all sync.WaitGroup
	turns := make(chan struct{}, 36)
	if m.redis != nil { // none of them waits long
		turns = make(chan struct{}, 4)
	}
	for _, at := range m.present() {
		for _, maker := range m.present() {
			if maker == at {
				continue
			}
			for _, c := range changes {
				all.Go(func() {
					turns <- struct{}{}
					defer func() { <-turns }()
					what := fmt.Sprintf("%s, changed at %s", c.name, m.name(at))
					k := m.make(maker, c.attributes)
					for _, i := range m.present() {
						m.seen(i, k)
					}
					if next := c.do(m, at, k); next != nil {
						k = next
					}
					m.everywhere(what, k, c.status, c.power)
				})
			}
		}
	}
	all.Wait()
}

// TestRequirement33OldAndNewSideBySideMore: while an instance of version 1 lives, each lets in and
// changes what the other has made, and each sees what the other has changed, as if there were one
// version. With Redis, the feed is read so rarely here that a change which nobody acknowledges
// does not come through.
func TestRequirement33OldAndNewSideBySideMore(t *testing.T) {
	mixed(t, grounds, 1, func(m *mix) {
		old, fresh := m.all[0], m.soon("")
		m.report.begin("side by side")
		byOld := m.many(old)
		m.same("made by version 1, alone", byOld)
		m.join(fresh)
		before := m.slowChanges()
		m.same("made by version 1", byOld)
		m.same("made by this version", m.many(fresh))
		m.crosswise()
		m.notRaised()
		if slow := m.slowChanges() - before; m.redis != nil && slow != 0 {
			m.t.Errorf("%d changes had to wait for a lease:\n%s", slow, m.allSaid())
		}
		m.noAlarms()
	}, "-lease", "10s")
}

// notRaised fails the test where something has been written that version 1 does not understand.
func (m *mix) notRaised() {
	m.t.Helper()
	if n := m.number(`SELECT count(*) FROM latchkey_key WHERE proof_names IS NOT NULL`); n != 0 {
		m.t.Errorf("%d proofs cover what version 1 does not know", n)
	}
	if n := m.number(`SELECT min_compatible FROM latchkey_version`); n != 1 {
		m.t.Errorf("min_compatible is %d, want 1", n)
	}
	if n := m.number(`SELECT coalesce(max(level), 1) FROM latchkey_feed`); n != 1 {
		m.t.Errorf("the feed has level %d, want 1", n)
	}
}
