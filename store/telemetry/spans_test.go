package telemetry_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// children returns the names of the spans that have ended and whose parent is that one.
func (i *instance) children(parent trace.SpanContext) map[string]sdktrace.ReadOnlySpan {
	found := map[string]sdktrace.ReadOnlySpan{}
	for _, span := range i.spans.Ended() {
		if span.Parent().SpanID() == parent.SpanID() {
			found[span.Name()] = span
		}
	}
	return found
}

// traced runs do in a span and returns that.
func (i *instance) traced(do func(ctx context.Context)) trace.SpanContext {
	ctx, span := i.tracer.Start(i.t.Context(), "request")
	defer span.End()
	do(ctx)
	return span.SpanContext()
}

func TestSpans(t *testing.T) {
	i := newInstance(t, store.NewMemory(), servers.Redis(t).Addr())
	made := i.create(store.NewKey{Type: store.Secret})
	token := made.Token.Reveal()
	let := func(ctx context.Context) {
		t.Helper()
		if status := i.ask(ctx, keyauth.Config{}, token); status != http.StatusNoContent {
			t.Errorf("status %d", status)
		}
	}
	t.Run("a cold request shows Redis and the store, also though the load runs apart from it", func(t *testing.T) {
		request := i.traced(let)
		i.eventually("the record is written to Redis", func() bool { return len(i.children(request)) == 3 })
		got := i.children(request)
		for _, name := range []string{"latchkey redis read", "latchkey store lookup", "latchkey redis write"} {
			if got[name] == nil {
				t.Errorf("no %q among %v", name, got)
			} else if got[name].SpanKind() != trace.SpanKindClient || got[name].Status().Code == codes.Error {
				t.Errorf("%s: kind %v, status %v", name, got[name].SpanKind(), got[name].Status())
			}
		}
	})
	t.Run("a warm one shows nothing", func(t *testing.T) {
		if got := i.children(i.traced(let)); len(got) > 0 {
			t.Errorf("%v", got)
		}
	})
	t.Run("a change is a span of its own, with all that it does", func(t *testing.T) {
		request := i.traced(func(ctx context.Context) {
			if _, err := i.keys.Revoke(ctx, made.Key.ID); err != nil {
				t.Error(err)
			}
		})
		revoke := i.children(request)["latchkey change revoke"]
		if revoke == nil {
			t.Fatalf("%v", i.children(request))
		}
		i.eventually("all parts have ended", func() bool { return len(i.children(revoke.SpanContext())) == 4 })
		got := i.children(revoke.SpanContext())
		for _, name := range []string{"latchkey store change", "latchkey store members", "latchkey redis advance", "latchkey redis publish"} {
			if got[name] == nil {
				t.Errorf("no %q among %v", name, got)
			}
		}
	})
	t.Run("what failed is an error, what was refused is not", func(t *testing.T) {
		request := i.traced(func(ctx context.Context) {
			if _, err := i.keys.Revoke(ctx, made.Key.ID); err == nil {
				t.Error("a second revoke was let through")
			}
		})
		// Medusa's answer to a second revoke is worked out after the change, which went well.
		if got := i.children(request)["latchkey change revoke"].Status().Code; got != codes.Unset {
			t.Errorf("refused: %v", got)
		}
		other := i.create(store.NewKey{Type: store.Secret})
		i.rows.set(store.ErrUnavailable, nil)
		request = i.traced(func(ctx context.Context) {
			if status := i.ask(ctx, keyauth.Config{}, other.Token.Reveal()); status != http.StatusServiceUnavailable {
				t.Errorf("status %d", status)
			}
		})
		i.rows.set(nil, nil)
		got := i.children(request)["latchkey store lookup"].Status()
		if got.Code != codes.Error || got.Description != "unavailable" {
			t.Errorf("a store that is out: %v", got)
		}
	})
	t.Run("of requests for one key at once, one has the load", func(t *testing.T) {
		other := i.create(store.NewKey{Type: store.Secret})
		hold := make(chan struct{})
		i.rows.set(nil, hold)
		var requests []trace.SpanContext
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				request := i.traced(func(ctx context.Context) { i.ask(ctx, keyauth.Config{}, other.Token.Reveal()) })
				mu.Lock()
				defer mu.Unlock()
				requests = append(requests, request)
			})
		}
		close(hold)
		all.Wait()
		i.rows.set(nil, nil)
		loads := 0
		for _, request := range requests {
			if i.children(request)["latchkey store lookup"] != nil {
				loads++
			}
		}
		if loads != 1 {
			t.Errorf("%d requests show the load", loads)
		}
	})
	t.Run("what no trace has led to makes none", func(t *testing.T) {
		if status := i.ask(t.Context(), keyauth.Config{}, i.create(store.NewKey{Type: store.Secret}).Token.Reveal()); status != http.StatusNoContent {
			t.Errorf("status %d", status)
		}
		polls := i.cached.Stats().Polls
		i.eventually("the feed has been read a few times", func() bool { return i.cached.Stats().Polls > polls+2 })
		for _, span := range i.spans.Ended() {
			if !span.Parent().IsValid() && span.Name() != "request" && span.Name() != "latchkey change create" {
				t.Errorf("%s has no parent", span.Name())
			}
		}
	})
}
