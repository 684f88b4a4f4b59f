package admin_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/admin"
	"github.com/latchkey-go/latchkey/store"
)

var walkSeed = flag.Uint64("walk.seed", 0, "the seed of the random walk; 0: another each time")

// walk makes random requests by restricted keys and compares all keys before and after.
type walk struct {
	*fixture
	rnd     *rand.Rand
	holders []*store.Key // as some guard has seen them, at some time
}

// probe is one request that a key could make: with a scope, from an address, for a channel, at a
// time.
type probe struct {
	scope   string
	address netip.Addr
	channel string
	after   time.Duration
}

var (
	walkScopes    = []string{"keys:read", "keys:write", "keys:verify", "a", "b"}
	walkAddresses = []string{"10.1.0.1", "10.2.0.1", "192.0.2.1"}
	walkNetworks  = []string{"10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/24"}
	walkChannels  = []string{"sc_1", "sc_2"}
	walkTimes     = []time.Duration{0, time.Minute, time.Hour, 24 * time.Hour, 400 * 24 * time.Hour, 200 * 365 * 24 * time.Hour}
)

func probes() (all []probe) {
	for _, scope := range walkScopes {
		for _, address := range walkAddresses {
			for _, channel := range append([]string{""}, walkChannels...) {
				for _, after := range walkTimes {
					all = append(all, probe{scope, netip.MustParseAddr(address), channel, after})
				}
			}
		}
	}
	return all
}

// may is what the rules of a key say, told once more and apart from the code: whether it may make
// the request.
func (p probe) may(k *store.Key, now time.Time, granting bool) bool {
	at := now.Add(p.after)
	switch {
	case k == nil, k.Revoked:
		return false
	case !k.RevokedAt.IsZero() && !at.Before(k.RevokedAt.Time()), !k.ExpiresAt.IsZero() && !at.Before(k.ExpiresAt.Time()):
		return false
	case k.Scopes != nil && !slices.Contains(k.Scopes, p.scope):
		return false
	case len(k.AllowedCIDRs) > 0 && !slices.ContainsFunc(k.AllowedCIDRs, func(n netip.Prefix) bool { return n.Contains(p.address) }):
		return false
	case p.channel == "", granting && k.Scopes == nil && len(k.SalesChannelIDs) == 0: // an unrestricted key gives any channel
		return true
	}
	return slices.Contains(k.SalesChannelIDs, p.channel)
}

// perHour is how many requests the key may make in an hour, in the long run; less than 0: any
// number.
func perHour(k *store.Key) float64 {
	if k.RateLimit == (store.RateLimit{}) {
		return -1
	}
	return float64(k.RateLimit.Requests) * float64(time.Hour) / float64(k.RateLimit.Window)
}

func (w *walk) some(list []string) []string { // in any number, nil included
	switch w.rnd.IntN(4) {
	case 0:
		return nil
	case 1:
		return []string{list[w.rnd.IntN(len(list))]}
	}
	return slices.DeleteFunc(slices.Clone(list), func(string) bool { return w.rnd.IntN(2) == 0 })
}

func (w *walk) at() time.Time {
	return w.clock().Add(walkTimes[w.rnd.IntN(len(walkTimes))] + time.Second)
}

// attributes are members of a body, each there or not; every other time they begin with what the
// holder has.
func (w *walk) attributes(holder *store.Key) map[string]any {
	o := map[string]any{}
	if w.rnd.IntN(8) == 0 {
		return map[string]any{"metadata": map[string]string{"plan": fmt.Sprint(w.rnd.IntN(3))}}
	}
	if w.rnd.IntN(2) == 0 {
		if holder.Scopes != nil {
			o["scopes"] = holder.Scopes
		}
		if len(holder.AllowedCIDRs) > 0 {
			o["allowed_cidrs"] = holder.AllowedCIDRs
		}
		if !holder.ExpiresAt.IsZero() || !holder.RevokedAt.IsZero() {
			o["expires_at"] = w.clock().Add(time.Minute).UTC().Format(time.RFC3339)
		}
		if w.rnd.IntN(3) > 0 {
			return o
		}
	}
	for name, value := range map[string]any{
		"scopes": w.some(walkScopes), "allowed_cidrs": w.some(walkNetworks), "metadata": map[string]string{"plan": fmt.Sprint(w.rnd.IntN(3))},
		"expires_at": w.at().UTC().Format(time.RFC3339),
		"rate_limit": map[string]any{"requests": 1 + w.rnd.IntN(9), "window": []int{60, 3600}[w.rnd.IntN(2)]},
	} {
		switch w.rnd.IntN(5) {
		case 0:
			o[name] = nil
		case 1, 2:
			o[name] = value
		}
	}
	return o
}

// body makes a body for a route, or says that the route changes nothing.
func (w *walk) body(pattern string, holder *store.Key) (any, bool) {
	in := map[string]any{}
	if w.rnd.IntN(2) == 0 {
		in["revoke_in"] = []int64{0, 1, 3600, 100_000, 200_000_000_000}[w.rnd.IntN(5)]
	}
	switch pattern {
	case "POST /api-keys":
		o := w.attributes(holder)
		o["title"], o["type"] = "x", []string{"secret", "publishable"}[w.rnd.IntN(2)]
		return o, true
	case "POST /api-keys/{id}":
		o := w.attributes(holder)
		if len(o) == 0 {
			o["title"] = "y"
		}
		return o, true
	case "POST /api-keys/{id}/revoke", "POST /api-keys/self/revoke":
		return in, true
	case "POST /api-keys/{id}/roll":
		if delete(in, "revoke_in"); w.rnd.IntN(2) == 0 {
			in["revoke_in"] = 3600
		}
		in["replace"] = w.rnd.IntN(2) == 0
		return in, true
	case "POST /api-keys/{id}/sales-channels":
		return map[string]any{"add": append([]string{}, w.some(walkChannels)...), "remove": append([]string{}, w.some(walkChannels)...)}, true
	case "POST /api-keys/revoke":
		in["title"] = []string{"x", "y"}[w.rnd.IntN(2)]
		return in, true
	case "DELETE /api-keys/{id}":
		return nil, true
	}
	return nil, false
}

func (w *walk) all() map[string]*store.Key {
	w.t.Helper()
	list, err := w.keys.List(context.Background(), store.Query{})
	if err != nil {
		w.t.Fatal(err)
	}
	byID := make(map[string]*store.Key, len(list))
	for _, key := range list {
		byID[key.ID] = key.Clone()
	}
	return byID
}

// stock makes keys of all sorts, and remembers the secret ones as holders.
func (w *walk) stock() {
	for range 9 {
		n := store.NewKey{Type: store.Secret, Scopes: w.some(walkScopes)}
		if w.rnd.IntN(3) > 0 && n.Scopes != nil {
			n.Scopes = append(n.Scopes, "keys:write", "keys:read")
		}
		if w.rnd.IntN(3) == 0 {
			n.AllowedCIDRs = []netip.Prefix{netip.MustParsePrefix(walkNetworks[w.rnd.IntN(3)])}
		}
		if w.rnd.IntN(3) == 0 {
			n.RateLimit = store.RateLimit{Requests: 1 + w.rnd.IntN(9), Window: time.Hour}
		}
		if w.rnd.IntN(3) == 0 {
			n.ExpiresAt = w.at()
		}
		w.holders = append(w.holders, w.made(n).Key)
		n.Type = store.Publishable
		if w.rnd.IntN(2) == 0 {
			n.SalesChannelIDs = []string{walkChannels[w.rnd.IntN(2)]}
		}
		w.made(n)
	}
}

func TestRequirement34ARandomWalkGivesNobodyMoreThanItHasMore(t *testing.T) {
	seed := *walkSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-walk.seed %d", seed)
	w := &walk{fixture: open(t, admin.Options{}), rnd: rand.New(rand.NewPCG(seed, 1))}
	var patterns []string
	for _, route := range admin.Routes(w.keys) {
		if _, changes := w.body(route.Pattern, adminKey()); changes {
			patterns = append(patterns, route.Pattern)
		} else if !strings.HasPrefix(route.Pattern, "GET ") && route.Pattern != "POST /api-keys/verify" {
			t.Errorf("the walk does not know the route %s", route.Pattern)
		}
	}
	all, answers := probes(), map[string]int{}
	for step := range 5000 {
		if step%100 == 0 {
			w.fixture, w.holders = open(t, admin.Options{}), nil
			w.api = admin.New(w.keys, admin.Options{}) // other tests hold answers against the description
			w.stock()
		}
		if w.rnd.IntN(8) == 0 {
			w.pass([]time.Duration{time.Second, time.Minute, 2 * time.Hour, 30 * 24 * time.Hour}[w.rnd.IntN(4)] / time.Duration(1+w.rnd.IntN(20)))
		}
		before, now := w.all(), w.clock()
		seen := w.holders[w.rnd.IntN(len(w.holders))] // it may have changed since
		if key := before[seen.ID]; key == nil || key.Check(now) != nil {
			seen = w.holders[w.rnd.IntN(len(w.holders))]
		}
		ids := make([]string, 0, len(before))
		for id := range before {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		if w.rnd.IntN(2) == 0 { // mostly what has come to be lately
			ids = ids[max(0, len(ids)-12):]
		}
		pattern := patterns[w.rnd.IntN(len(patterns))]
		target := ids[w.rnd.IntN(len(ids))]
		if w.rnd.IntN(5) == 0 {
			target = seen.ID
		}
		sent, _ := w.body(pattern, seen)
		text := ""
		if sent != nil {
			b, err := json.Marshal(sent)
			if err != nil {
				t.Fatal(err)
			}
			text = string(b)
		}
		method, path, _ := strings.Cut(strings.Replace(pattern, "{id}", target, 1), " ")
		got := w.send(seen, method, path, text)
		answers[fmt.Sprint(pattern, " ", got.status)]++
		if got.status >= 500 {
			t.Fatalf("%s %s was answered %d %s", pattern, text, got.status, got.body)
		}
		after, holder := w.all(), before[seen.ID]
		said := fmt.Sprintf("step %d, -walk.seed %d: %s %s by %+v: %d %s", step, seed, strings.Replace(pattern, "{id}", target, 1), text, holder, got.status, got.body)

		if got.status != 200 && !reflect.DeepEqual(before, after) {
			t.Fatalf("something changed although it was refused: %s", said)
		}
		if (holder == nil || holder.Check(now) != nil) && !reflect.DeepEqual(before, after) {
			t.Fatalf("a key that is dead changed something: %s", said)
		}
		for id, key := range after {
			was := before[id]
			if reflect.DeepEqual(was, key) {
				continue
			}
			if was == nil {
				w.holders = append(w.holders, key)
			}
			gained := false
			for _, p := range all {
				if p.may(key, now, false) && !p.may(was, now, false) {
					gained = true
					if !p.may(holder, now, true) {
						t.Fatalf("%s gained %+v, which its giver does not have: %s", id, p, said)
					}
				}
			}
			faster := was != nil && perHour(was) >= 0 && (perHour(key) < 0 || perHour(key) > perHour(was))
			if limit := perHour(holder); limit >= 0 && (gained || faster) {
				t.Fatalf("a key with a limit gave power to %s: %s", id, said)
			}
			if was != nil && !reflect.DeepEqual(was.Metadata, key.Metadata) {
				for _, p := range all {
					if p.may(key, now, false) && !p.may(holder, now, true) {
						t.Fatalf("the metadata of the stronger key %s was rewritten: %s", id, said)
					}
				}
			}
			if len(key.AllowedCIDRs) == 0 && was != nil && len(was.AllowedCIDRs) > 0 && len(holder.AllowedCIDRs) > 0 {
				t.Fatalf("%s was opened to every address: %s", id, said)
			}
		}
		for id, was := range before {
			if key := after[id]; key == nil && was.Check(now) == nil {
				t.Fatalf("%s was deleted alive: %s", id, said)
			}
		}
		if w.rnd.IntN(6) == 0 && len(after) > 0 { // what some guard sees now
			if key := after[target]; key != nil && key.Type == store.Secret && key.Check(now) == nil {
				w.holders = append(w.holders, key)
			}
		}
		if w.rnd.IntN(16) == 0 { // staff restricts, schedules, ends
			id := w.holders[w.rnd.IntN(len(w.holders))].ID
			staff := store.WithActor(t.Context(), "user_1")
			var err error
			switch scopes := w.some(walkScopes); w.rnd.IntN(3) {
			case 0:
				_, err = w.keys.RevokeAt(staff, id, w.keys.Now().Add(walkTimes[w.rnd.IntN(4)]))
			case 1:
				_, err = w.keys.Update(staff, id, store.Patch{Scopes: &scopes})
			}
			_ = err // of a key that is dead or gone there is nothing to do
		}
	}
	for _, pattern := range patterns { // a walk that is always refused shows nothing
		if answers[pattern+" 200"] < 10 {
			t.Errorf("%s succeeded %d times", pattern, answers[pattern+" 200"])
		}
	}
	t.Log(answers)
}
