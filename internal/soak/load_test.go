package soak_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// load says how many clients there are. Each does one thing after another over connections that
// stay open.
type load struct {
	readers   int           // per instance
	pause     time.Duration // of a reader between two requests
	strangers int           // per cent of the readers' requests that bring a token which no key has
	revokers  int
	others    int // who update, and who import tokens that were tried before they existed
	stock     int // live keys to keep
}

// usual leaves a machine with two cores some air.
var usual = load{readers: 3, pause: 5 * time.Millisecond, strangers: 5, revokers: 16, others: 2, stock: 150}

// run starts the clients. The function it returns ends them and waits for what they have begun.
func (w *world) run(l load) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	every := func(pause time.Duration, do func()) {
		clients.Go(func() {
			for ctx.Err() == nil {
				do()
				select {
				case <-time.After(pause):
				case <-ctx.Done():
				}
			}
		})
	}
	w.stock(l.stock)
	strangers := make([]string, 50)
	for n := range strangers {
		strangers[n] = w.token()
	}
	for _, i := range w.all {
		for range l.readers {
			every(l.pause, func() {
				if i.away.Load() {
					return
				}
				if rand.IntN(100) < l.strangers {
					w.use(i, nil, strangers[rand.IntN(len(strangers))])
				} else if k := w.ledger.some(); k != nil {
					w.use(i, k, k.token)
				}
			})
		}
	}
	for range l.revokers {
		every(30*time.Millisecond, func() {
			if k := w.ledger.take(l.stock / 2); k != nil {
				w.end(w.anyone(), k)
			}
		})
	}
	for range l.others {
		every(20*time.Millisecond, func() { w.rename(w.anyone()) })
		every(20*time.Millisecond, func() { w.importOne(w.anyone()) })
	}
	if l.stock > 0 {
		every(20*time.Millisecond, func() {
			if w.ledger.alive() < l.stock {
				w.ledger.add(w.create(w.anyone(), 50)...)
			}
		})
	}
	every(500*time.Millisecond, w.countGoroutines)
	return func() {
		cancel()
		clients.Wait()
		w.aside.Wait()
	}
}

// stock makes keys until there are n live ones.
func (w *world) stock(n int) {
	for w.ledger.alive() < n {
		w.ledger.add(w.create(w.anyone(), 50)...)
	}
}

// token returns a token that no instance knows.
func (w *world) token() string {
	made, err := w.mint.Create(context.Background(), store.NewKey{Type: store.Secret})
	if err != nil {
		panic(err) // memory and randomness only
	}
	return made.Token.Reveal()
}

// create makes keys at an instance, in one change. The result is empty when the instance could not.
func (w *world) create(i *instance, n int) []*key {
	a, body := w.ask(i, nil, "", http.MethodPost, fmt.Sprintf("/soak/create?n=%d", n), "")
	if !w.done(a) {
		return nil
	}
	var made []struct{ ID, Token string }
	if err := json.Unmarshal(body, &made); err != nil {
		w.t.Errorf("create: %v in %s", err, body)
		return nil
	}
	at := w.now()
	var keys []*key
	for _, m := range made {
		keys = append(keys, &key{id: m.ID, token: m.Token, created: at})
	}
	w.probe(keys[0])
	return keys
}

// done judges a change. It reports false when the outcome is not known.
func (w *world) done(a answer) bool {
	if a.status == http.StatusOK && a.err == nil {
		w.report.count(a, fine)
		return true
	}
	if a.key == nil && a.err == nil && a.status != http.StatusServiceUnavailable {
		w.report.count(a, strange)
		return false
	}
	w.judge(a)
	return false
}

// importOne has a token tried at every instance while nobody knows it, then gives it a key, which
// must work everywhere.
func (w *world) importOne(i *instance) {
	k := &key{token: w.token()}
	w.use(w.anyone(), k, k.token)
	w.probe(k)
	for giveUp := w.now() + moment(patience); !w.importAt(i, k); {
		if w.now() > giveUp {
			w.report.violation(violation{silent, "import", answer{key: k, instance: i.n}})
			return
		}
		i = w.elsewhere()
	}
	k.mu.Lock()
	k.created = w.now()
	k.mu.Unlock()
	w.probe(k)
	w.ledger.add(k)
}

// importAt gives the key's token to a key in the store, once. It reports false when the outcome is
// not known.
func (w *world) importAt(i *instance, k *key) bool {
	body, err := json.Marshal(map[string]string{"token": k.token})
	if err != nil {
		panic(err) // a string
	}
	a, got := w.ask(i, nil, "", http.MethodPost, "/soak/import", string(body))
	if !w.done(a) {
		return false
	}
	var made struct{ ID string }
	if err := json.Unmarshal(got, &made); err != nil {
		w.t.Errorf("import: %v in %s", err, got)
	}
	k.mu.Lock()
	k.id = made.ID
	k.mu.Unlock()
	return true
}

// rename changes a key. When that has returned, nobody may see the version before.
func (w *world) rename(i *instance) {
	k := w.ledger.take(0)
	if k == nil {
		return
	}
	defer w.ledger.add(k)
	body := fmt.Sprintf(`{"title":"soak %d"}`, rand.Int())
	a, got := w.ask(i, w.admin, w.admin.token, http.MethodPost, "/admin/api-keys/"+k.id+"?fields=%2Bversion", body)
	if !w.done(a) {
		k.note(true)
		return
	}
	var answered struct {
		Key struct{ Version int64 } `json:"api_key"`
	}
	if err := json.Unmarshal(got, &answered); err != nil || answered.Key.Version == 0 {
		w.t.Errorf("update: %v in %s", err, got)
		return
	}
	k.note(a.redisFailed)
	k.mu.Lock()
	k.changes = append(k.changes, promise{answered.Key.Version, w.now()})
	k.mu.Unlock()
	w.probe(k)
}

// note remembers whether Redis is known to have the newest change of the key.
func (k *key) note(unapplied bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.unapplied = unapplied
}

// elsewhere returns the instance at which to repeat a change that did not succeed, after the pause
// that a polite client makes.
func (w *world) elsewhere() *instance {
	time.Sleep(time.Duration(10+rand.IntN(40)) * time.Millisecond)
	return w.anyone()
}

// end revokes a key, or rolls it, at the instance, and where that does not succeed at others until
// it does. At that moment every instance is asked.
func (w *world) end(i *instance, k *key) {
	for _, warm := range w.present() {
		if disabled, _ := warm.health(); !disabled {
			w.use(warm, k, k.token)
		}
	}
	began := w.now()
	k.mu.Lock()
	k.revoking = began
	k.mu.Unlock()
	verb := "revoke"
	if rand.IntN(10) == 0 {
		verb = "roll"
	}
	for tries := 0; ; tries++ {
		asked := w.now()
		a, got := w.ask(i, w.admin, w.admin.token, http.MethodPost, "/admin/api-keys/"+k.id+"/"+verb, "")
		again := tries > 0 && a.status == http.StatusBadRequest && strings.Contains(string(got), "already revoked")
		if again {
			a.status = http.StatusOK
		}
		if w.done(a) {
			k.note(a.redisFailed)
			at := w.now()
			k.mu.Lock()
			k.revoked = at
			k.mu.Unlock()
			w.probe(k)
			w.report.revoked(time.Duration(at-asked), a.excused)
			if verb == "roll" && !again {
				w.succeed(got)
			}
			break
		}
		k.note(true)
		if w.now() > began+2*moment(patience) {
			w.report.violation(violation{silent, "revoke", a})
			return
		}
		i, verb = w.elsewhere(), "revoke"
	}
	w.ledger.bury(k)
}

// succeed takes the key that a roll has made into use.
func (w *world) succeed(got []byte) {
	var made struct {
		Key struct{ ID, Token string } `json:"api_key"`
	}
	if err := json.Unmarshal(got, &made); err != nil || made.Key.Token == "" {
		w.t.Errorf("roll: %v in %s", err, got)
		return
	}
	k := &key{id: made.Key.ID, token: made.Key.Token, created: w.now()}
	w.probe(k)
	w.ledger.add(k)
}

func (w *world) countGoroutines() {
	for _, i := range w.present() {
		if disabled, _ := i.health(); disabled {
			continue
		}
		if s, err := i.stats(w.client); err == nil {
			w.report.goroutines(s.Goroutines)
		}
	}
}
