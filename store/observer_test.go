package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest"
)

// witness is an Observer that remembers. Its contexts are marked, so that work within work is told.
type witness struct {
	mu    sync.Mutex
	begun map[store.Work]int
	ended map[store.Work][]error
	in    map[store.Work]store.Work // the work that this work was last a part of
}

type within struct{}

func newWitness() *witness {
	return &witness{begun: map[store.Work]int{}, ended: map[store.Work][]error{}, in: map[store.Work]store.Work{}}
}

func (w *witness) Begin(ctx context.Context, what store.Work) (context.Context, func(error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun[what]++
	w.in[what], _ = ctx.Value(within{}).(store.Work)
	return context.WithValue(ctx, within{}, what), func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ended[what] = append(w.ended[what], err)
	}
}

// errors returns with which errors the work ended, and fails when it did not end as often as it began.
func (w *witness) errors(t *testing.T, what store.Work) []error {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.ended[what]) != w.begun[what] {
		t.Errorf("%s began %d times and ended %d times", what, w.begun[what], len(w.ended[what]))
	}
	return w.ended[what]
}

func TestAnObservedStoreFulfilsTheContractAndTellsOfEveryCall(t *testing.T) {
	w := newWitness()
	t.Run("contract", func(t *testing.T) {
		storetest.Run(t, func(*testing.T) store.Store { return store.Observed(store.NewMemory(), w) })
	})
	for _, what := range store.Works() {
		if part, _ := what.Parts(); part == "store" && len(w.errors(t, what)) == 0 {
			t.Errorf("%s was never told of", what)
		}
	}
}

func TestAStoreThatNobodyObservesIsTheStoreItself(t *testing.T) {
	memory := store.NewMemory()
	if store.Observed(memory, nil) != store.Store(memory) {
		t.Error("it is wrapped")
	}
}

// TestEveryVerbOfAChangeHasAName reads the sources: a change whose verb no Work names would be missing in metrics.
func TestEveryVerbOfAChangeHasAName(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	verbs := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range regexp.MustCompile(`k\.change\(ctx, ([^,]*),`).FindAllSubmatch(text, -1) {
			verb := strings.Trim(string(call[1]), `"`)
			if !slices.Contains(store.Works(), store.Work("change."+strings.ReplaceAll(verb, " ", "_"))) {
				t.Errorf("%s: no Work names the change %q", file, verb)
			}
			verbs++
		}
	}
	if verbs < 10 {
		t.Errorf("only %d changes were found", verbs)
	}
}

func TestChangesAreObserved(t *testing.T) {
	w := newWitness()
	keys, err := store.Options{Observer: w, FlushInterval: -1}.New(store.Observed(store.NewMemory(), w))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := keys.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	made, err := keys.Create(t.Context(), store.NewKey{Type: store.Secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("with how they ended", func(t *testing.T) {
		if _, err := keys.Revoke(t.Context(), made.Key.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Roll(t.Context(), made.Key.ID, store.RollOptions{}); !errors.Is(err, store.ErrNotAllowed) {
			t.Fatal(err)
		}
		if got := w.errors(t, store.WorkRevoke); len(got) != 1 || got[0] != nil {
			t.Errorf("revoke ended with %v", got)
		}
		if got := w.errors(t, store.WorkRoll); len(got) != 1 || !errors.Is(got[0], store.ErrNotAllowed) {
			t.Errorf("roll ended with %v", got)
		}
	})
	t.Run("and their transaction is a part of them", func(t *testing.T) {
		if in := w.in[store.WorkStoreChange]; in != store.WorkRoll {
			t.Errorf("it is a part of %q", in)
		}
	})
	t.Run("and have not gone well when they panicked", func(t *testing.T) {
		bad := panicking{store.NewMemory()}
		keys, err := store.Options{Observer: w, FlushInterval: -1}.New(store.Observed(bad, w))
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic is lost")
				}
			}()
			_ = keys.Delete(t.Context(), "apk_1")
		}()
		for _, what := range []store.Work{store.WorkDelete, store.WorkStoreChange} {
			if got := w.errors(t, what); len(got) == 0 || got[len(got)-1] == nil {
				t.Errorf("%s ended with %v", what, got)
			}
		}
	})
}

type panicking struct{ store.Store }

func (panicking) Change(context.Context, store.Actor, func(store.Tx) error) (store.Change, error) {
	panic("disk on fire")
}
