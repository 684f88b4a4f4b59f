package telemetry_test

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
	"github.com/latchkey-go/latchkey/store/telemetry"
)

// witness is an Observer that remembers. Its contexts are marked, so that work within work is told.
type witness struct {
	mu    sync.Mutex
	begun map[string]int
	ended map[string][]error
	in    map[string]string // the work that this work was last a part of
}

type within struct{}

func newWitness() *witness {
	return &witness{begun: map[string]int{}, ended: map[string][]error{}, in: map[string]string{}}
}

func (w *witness) Begin(ctx context.Context, what string) (context.Context, func(error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun[what]++
	w.in[what], _ = ctx.Value(within{}).(string)
	return context.WithValue(ctx, within{}, what), func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ended[what] = append(w.ended[what], err)
	}
}

// errors returns with which errors the work ended, and fails when it did not end as often as it began.
func (w *witness) errors(t *testing.T, what string) []error {
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
		storetest.Run(t, func(*testing.T) store.Store { return telemetry.Observed(store.NewMemory(), w) })
	})
	for _, what := range telemetry.Operations() {
		if strings.HasPrefix(what, "store.") && len(w.errors(t, what)) == 0 {
			t.Errorf("%s was never told of", what)
		}
	}
}

func TestAStoreThatNobodyObservesIsTheStoreItself(t *testing.T) {
	memory := store.NewMemory()
	if telemetry.Observed(memory, nil) != store.Store(memory) {
		t.Error("it is wrapped")
	}
}

// TestEveryOperationIsListed reads the sources: metrics and traces leave out an operation that is not
// listed.
func TestEveryOperationIsListed(t *testing.T) {
	observed := map[string]bool{}
	for folder, name := range map[string]string{
		"..":          `k\.change\(ctx, "([^"]*)",|observe\.Begin\([^"]*"(scrypt\.\w+)"\)`,
		".":           `, s, "(store\.\w+)"|s\.run\(ctx, "(store\.\w+)"`,
		"../../cache": `"(redis\.\w+)"`,
	} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range regexp.MustCompile(name).FindAllStringSubmatch(string(text), -1) {
				operation := strings.Join(found[1:], "")
				if !strings.Contains(operation, ".") {
					operation = "change." + strings.ReplaceAll(operation, " ", "_")
				}
				observed[operation] = true
				if !slices.Contains(telemetry.Operations(), operation) {
					t.Errorf("%s: parts (telemetry.go) does not list %q", file, operation)
				}
			}
		}
	}
	for _, operation := range telemetry.Operations() {
		if !observed[operation] {
			t.Errorf("nothing is observed as %q", operation)
		}
	}
}

func TestChangesAreObserved(t *testing.T) {
	w := newWitness()
	keys, err := store.Options{Observer: w, FlushInterval: -1}.New(telemetry.Observed(store.NewMemory(), w))
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
		if got := w.errors(t, "change.revoke"); len(got) != 1 || got[0] != nil {
			t.Errorf("revoke ended with %v", got)
		}
		if got := w.errors(t, "change.roll"); len(got) != 1 || !errors.Is(got[0], store.ErrNotAllowed) {
			t.Errorf("roll ended with %v", got)
		}
	})
	t.Run("and their transaction is a part of them", func(t *testing.T) {
		if in := w.in["store.change"]; in != "change.roll" {
			t.Errorf("it is a part of %q", in)
		}
	})
	t.Run("and have not gone well when they panicked", func(t *testing.T) {
		bad := panicking{store.NewMemory()}
		keys, err := store.Options{Observer: w, FlushInterval: -1}.New(telemetry.Observed(bad, w))
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
		for _, what := range []string{"change.delete", "store.change"} {
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
