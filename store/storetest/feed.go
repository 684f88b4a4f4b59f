package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

var errOnPurpose = errors.New("on purpose")

func rollback(t *testing.T, s store.Store) {
	ctx := within(t)
	c, err := s.Change(ctx, store.Actor{}, func(tx store.Tx) error {
		if err := tx.Insert(ctx, plain(1), event(store.Created)); err != nil {
			return err
		}
		return errOnPurpose
	})
	if !errors.Is(err, errOnPurpose) || c.Last != 0 {
		t.Errorf("a failed change answered %+v, %v", c, err)
	}
	c, err = s.Change(ctx, store.Actor{}, func(tx store.Tx) error {
		_, err := tx.Find(ctx, store.Query{})
		return err
	})
	if err != nil || c.Last != 0 || c.Events != nil {
		t.Errorf("a change that changed nothing answered %+v, %v", c, err)
	}
	if _, err := s.Get(ctx, plain(1).Key.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get after rollback: %v", err)
	}
	feed := must[store.Feed](t)(s.Feed(ctx, 0, 10))
	if feed.Head != 0 || len(feed.Events) != 0 || feed.ID == "" {
		t.Errorf("feed after rollback: %+v", feed)
	}
	if c := insert(t, s, plain(2)); c.First != 1 || c.Last != 1 {
		t.Errorf("the first change that counts is %+v, want number 1", c)
	}
}

func events(t *testing.T, s store.Store) {
	ctx := within(t)
	r := plain(1)
	insert(t, s, r, plain(2))
	r.Key.Version = 2
	change(t, s, func(ctx context.Context, tx store.Tx) error {
		e := store.Event{Kind: store.Revoked, Version: 2, At: base.Add(time.Hour), Details: map[string]string{"why": "leaked ü"}}
		if err := tx.Update(ctx, r, e); err != nil {
			return err
		}
		inside := must[[]store.Event](t)(tx.Events(ctx, store.EventQuery{LookupID: r.Key.LookupID}))
		if len(inside) != 2 || inside[1].Kind != store.Revoked {
			t.Errorf("Tx.Events: %+v", inside)
		}
		return tx.Append(ctx, nil, store.Event{Kind: store.Imported, At: base, Details: map[string]string{"count": "3"}})
	})
	all := must[[]store.Event](t)(s.Events(ctx, store.EventQuery{}))
	if len(all) != 4 {
		t.Fatalf("%d events, want 4: %+v", len(all), all)
	}
	want := store.Event{ID: 3, KeyID: r.Key.ID, LookupID: r.Key.LookupID, Kind: store.Revoked, Version: 2, Actor: "user_1", RequestID: "req-1",
		At: base.Add(time.Hour), Details: map[string]string{"why": "leaked ü"}}
	if got := all[2]; fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if batch := all[3]; batch.KeyID != "" || !batch.LookupID.IsZero() || batch.Details["count"] != "3" {
		t.Errorf("an event of a batch: %+v", batch)
	}
	for _, q := range []struct {
		query store.EventQuery
		want  int
	}{
		{store.EventQuery{KeyID: r.Key.ID}, 2},
		{store.EventQuery{LookupID: plain(2).Key.LookupID}, 1},
		{store.EventQuery{After: 2}, 2},
		{store.EventQuery{Limit: 3}, 3},
		{store.EventQuery{KeyID: r.Key.ID, After: 1, Limit: 5}, 1},
		{store.EventQuery{KeyID: "apk_none"}, 0},
		{store.EventQuery{Kind: store.Created}, 2},
		{store.EventQuery{Kind: store.Created, KeyIDs: []string{"apk_none", plain(2).Key.ID}}, 1},
		{store.EventQuery{KeyIDs: []string{}}, 0},
	} {
		if got := must[[]store.Event](t)(s.Events(ctx, q.query)); len(got) != q.want {
			t.Errorf("%+v: %d events, want %d", q.query, len(got), q.want)
		}
	}
}

func blockOfEvents(t *testing.T, s store.Store) {
	ctx := within(t)
	insert(t, s, plain(1))
	c := insert(t, s, plain(2), plain(3), plain(4))
	if c.First != 2 || c.Last != 4 || len(c.Events) != 3 {
		t.Fatalf("change of three keys: %+v", c)
	}
	for i, e := range c.Events {
		if want := (store.FeedEvent{ID: int64(i + 2), Kind: store.Created, LookupID: lookupID(i + 2), Tag: e.Tag}); e != want {
			t.Errorf("event %d: %+v, want %+v", i, e, want)
		}
	}
	feed := must[store.Feed](t)(s.Feed(ctx, 1, 2))
	if feed.ID != c.FeedID || feed.Head != 4 || len(feed.Events) != 2 || feed.Events[0] != c.Events[0] || feed.Events[1] != c.Events[1] {
		t.Errorf("Feed(after 1, limit 2): %+v", feed)
	}
	if feed := must[store.Feed](t)(s.Feed(ctx, 4, 10)); feed.Head != 4 || len(feed.Events) != 0 {
		t.Errorf("Feed at its head: %+v", feed)
	}
	if c := change(t, s, func(ctx context.Context, tx store.Tx) error {
		for _, n := range []int{5, 6} {
			if err := tx.InsertQuietly(ctx, plain(n)); err != nil {
				return err
			}
		}
		return tx.Append(ctx, nil, event(store.Imported))
	}); c.First != 5 || c.Last != 5 || !c.Events[0].LookupID.IsZero() {
		t.Errorf("a quiet batch: %+v", c)
	}
	if n := must[int](t)(s.Count(ctx, store.Filter{})); n != 6 {
		t.Errorf("Count: %d, want 6", n)
	}
}

// tags tests that every event has a unique tag, and that the tag of the head is always its event's.
func tags(t *testing.T, s store.Store) {
	ctx := within(t)
	if feed := must[store.Feed](t)(s.Feed(ctx, 0, 10)); feed.Tag != 0 {
		t.Errorf("the tag of an empty feed: %v", feed.Tag)
	}
	seen := map[store.Tag]bool{}
	var all []store.FeedEvent
	var before store.Tag
	for _, change := range []func() store.Change{
		func() store.Change { return insert(t, s, plain(1)) },
		func() store.Change { return insert(t, s, plain(2), plain(3), plain(4)) },
		func() store.Change {
			return change(t, s, func(ctx context.Context, tx store.Tx) error {
				if err := tx.Append(ctx, plain(1), event(store.Revoked)); err != nil {
					return err
				}
				_, err := tx.Events(ctx, store.EventQuery{}) // a store may write the events so far
				return errors.Join(err, tx.Append(ctx, plain(2), event(store.Revoked)))
			})
		},
		func() store.Change { // more than a store writes at once
			return change(t, s, func(ctx context.Context, tx store.Tx) error {
				var errs []error
				for range 1200 {
					errs = append(errs, tx.Append(ctx, plain(1), event(store.Revoked)))
				}
				return errors.Join(errs...)
			})
		},
		func() store.Change {
			return change(t, s, func(ctx context.Context, tx store.Tx) error { return tx.Append(ctx, plain(1), event(store.Revoked)) })
		},
	} {
		c := change()
		if c.Before != before {
			t.Errorf("the change from %d on names the tag %v before it, want %v", c.First, c.Before, before)
		}
		before = c.Events[len(c.Events)-1].Tag
		for _, e := range c.Events {
			if e.Tag == 0 || seen[e.Tag] {
				t.Errorf("event %d has the tag %v, want one of its own", e.ID, e.Tag)
			}
			seen[e.Tag] = true
		}
		all = append(all, c.Events...)
		feed := must[store.Feed](t)(s.Feed(ctx, 0, len(all)))
		if feed.Tag != before || !slices.Equal(feed.Events, all) {
			t.Errorf("at head %d the feed has the tag %v, want %v, and %d events, want %d", feed.Head, feed.Tag, before, len(feed.Events), len(all))
		}
		for _, id := range []store.LookupID{lookupID(1), lookupID(99)} {
			if found := must[store.Found](t)(s.Lookup(ctx, id, "")); found.Head == c.Last && found.Tag != before && found.Tag != 0 || found.Head > c.Last {
				t.Errorf("a lookup at head %d has the tag %v, want %v", found.Head, found.Tag, before)
			}
		}
	}
	if found := must[store.Found](t)(s.Lookup(ctx, lookupID(77), plain(9).Key.Redacted)); found.Head != int64(len(all)) || found.Tag != before {
		t.Errorf("a lookup that asks for legacy keys: head %d, tag %v; want %d, %v", found.Head, found.Tag, len(all), before)
	}
}

func gapFree(t *testing.T, s store.Store) {
	ctx := within(t)
	const workers, each = 8, 6
	done := make(chan struct{})
	var writers, readers sync.WaitGroup
	readers.Go(func() { // sees each number only after all before it
		var last int64
		for {
			feed, err := s.Feed(ctx, last, 1000)
			if err != nil {
				t.Errorf("Feed: %v", err)
				return
			}
			for _, e := range feed.Events {
				if e.ID != last+1 {
					t.Errorf("saw event %d after %d", e.ID, last)
				}
				last = e.ID
			}
			if last != feed.Head {
				t.Errorf("head %d, but events only up to %d", feed.Head, last)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	committed := make(chan store.Change, workers*each)
	for w := range workers {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(w)))
			for i := range each {
				fail := random.IntN(3) == 0
				n := 1 + random.IntN(3)
				c, err := s.Change(ctx, store.Actor{}, func(tx store.Tx) error {
					for j := range n {
						if err := tx.Insert(ctx, plain(w*1000+i*10+j+1), event(store.Created)); err != nil {
							return err
						}
					}
					if fail {
						return errOnPurpose
					}
					return nil
				})
				switch {
				case fail && !errors.Is(err, errOnPurpose), !fail && err != nil:
					t.Errorf("Change: %v", err)
				case !fail:
					committed <- c
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	close(committed)
	var total int64
	for c := range committed {
		if n := c.Last - c.First + 1; n != int64(len(c.Events)) {
			t.Errorf("a change from %d to %d has %d events", c.First, c.Last, len(c.Events))
		}
		total += int64(len(c.Events))
	}
	if feed := must[store.Feed](t)(s.Feed(ctx, 0, 10_000)); feed.Head != total || int64(len(feed.Events)) != total {
		t.Errorf("head %d and %d events, want %d of both", feed.Head, len(feed.Events), total)
	}
	if n := must[int](t)(s.Count(ctx, store.Filter{})); int64(n) != total {
		t.Errorf("Count: %d, want %d", n, total)
	}
}

func prune(t *testing.T, s store.Store) {
	ctx := within(t)
	insert(t, s, plain(1), plain(2))
	change(t, s, func(ctx context.Context, tx store.Tx) error {
		if err := tx.Delete(ctx, plain(2), event(store.Deleted)); err != nil {
			return err
		}
		return tx.Append(ctx, plain(1), store.Event{Kind: store.Updated, At: base.Add(time.Hour)})
	})
	if n := must[int](t)(s.PruneEvents(ctx, base.Add(time.Minute))); n != 2 {
		t.Errorf("pruned %d, want 2", n)
	}
	if n := must[int](t)(s.PruneEvents(ctx, base.Add(48*time.Hour))); n != 0 {
		t.Errorf("pruned %d more, want 0: the newest stays, and deletions", n)
	}
	feed := must[store.Feed](t)(s.Feed(ctx, 0, 10))
	if feed.Head != 4 || len(feed.Events) != 2 || feed.Events[0].Kind != store.Deleted || feed.Events[1].ID != 4 {
		t.Errorf("feed after pruning: %+v", feed)
	}
}

func touch(t *testing.T, s store.Store) {
	ctx := within(t)
	insert(t, s, plain(1), plain(2))
	for _, step := range []struct{ at, want time.Time }{
		{base, base}, {base.Add(time.Minute), base.Add(time.Minute)}, {base.Add(time.Second), base.Add(time.Minute)},
	} {
		if err := s.Touch(ctx, []store.Use{{KeyID: "apk_none", At: base}, {KeyID: plain(1).Key.ID, At: step.at}}); err != nil {
			t.Fatal(err)
		}
		if got := must[*store.Record](t)(s.Get(ctx, plain(1).Key.ID)).Key.LastUsedAt.Time(); !got.Equal(step.want) {
			t.Errorf("after use at %s: %s, want %s", step.at, got, step.want)
		}
	}
	if err := s.Touch(ctx, nil); err != nil {
		t.Errorf("no uses: %v", err)
	}
	if got := must[*store.Record](t)(s.Get(ctx, plain(2).Key.ID)); !got.Key.LastUsedAt.IsZero() || got.Key.Version != 1 {
		t.Errorf("another key was touched: %+v", got.Key)
	}
	if feed := must[store.Feed](t)(s.Feed(ctx, 0, 10)); feed.Head != 2 {
		t.Errorf("a use is in the feed: head %d", feed.Head)
	}
	change(t, s, func(ctx context.Context, tx store.Tx) error {
		return tx.Update(ctx, plain(1), event(store.Updated))
	})
	if got := must[*store.Record](t)(s.Get(ctx, plain(1).Key.ID)).Key.LastUsedAt.Time(); !got.Equal(base.Add(time.Minute)) {
		t.Errorf("an update set the last use to %s", got)
	}
}

func members(t *testing.T, s store.Store) {
	ctx := within(t)
	ours := func() map[string]store.Member { // a cache under test may be a member itself
		t.Helper()
		found := map[string]store.Member{}
		for _, m := range must[[]store.Member](t)(s.Members(ctx)) {
			if m.ID == "a" || m.ID == "b" {
				m.TTL = 0
				found[m.ID] = m
			}
		}
		return found
	}
	a := store.Member{ID: "a", Level: store.Level, Redis: true, Lease: 1500 * time.Millisecond, TTL: time.Hour, MaxStale: time.Minute}
	for _, m := range []store.Member{a, a, {ID: "b", Lease: time.Second, TTL: 50 * time.Millisecond}} {
		if err := s.Join(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the member whose row lapsed is gone", func() bool { return len(ours()) == 1 })
	a.TTL, a.Level = 0, store.Level
	if got := ours()["a"]; got != a {
		t.Errorf("got %+v, want %+v", got, a)
	}
	for range 2 {
		if err := s.Leave(ctx, "a"); err != nil {
			t.Fatal(err)
		}
	}
	if got := ours(); len(got) != 0 {
		t.Errorf("after Leave: %+v", got)
	}
}

func level(t *testing.T, s store.Store) {
	ctx := within(t)
	boom := errors.New("boom")
	raise := func(to int, fail error) (lower *store.Member, err error) {
		t.Helper()
		_, err = s.Change(ctx, store.Actor{}, func(tx store.Tx) error {
			if lower, err = tx.Raise(ctx, to); err != nil {
				return err
			}
			return errors.Join(tx.Append(ctx, nil, event(store.Imported)), fail)
		})
		return lower, err
	}
	join := func(id string, level int) error {
		t.Helper()
		return s.Join(ctx, store.Member{ID: id, Level: level, Lease: time.Second, TTL: time.Hour})
	}
	leave := func(id string) {
		t.Helper()
		if err := s.Leave(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if lower, err := raise(1, nil); lower != nil || err != nil {
		t.Errorf("to what every store has: %v, %v", lower, err)
	}
	for _, known := range []int{0, 1} { // 0: a row that was written before levels existed
		if err := join("low", known); err != nil {
			t.Fatal(err)
		}
		if lower, err := raise(2, nil); err != nil || lower == nil || lower.ID != "low" || lower.Level != 1 {
			t.Errorf("past a member that knows %d: %+v, %v", known, lower, err)
		}
	}
	leave("low")
	if lower, err := raise(2, boom); lower != nil || !errors.Is(err, boom) {
		t.Errorf("in a change that fails: %v, %v", lower, err)
	}
	if err := join("low", 1); err != nil {
		t.Errorf("after a change that failed: %v", err)
	}
	if err := s.Join(ctx, store.Member{ID: "low", Level: 1, TTL: time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the level is raised past a row that has lapsed", func() bool {
		lower, err := raise(2, nil)
		if err != nil {
			t.Fatal(err)
		}
		return lower == nil
	})
	if lower, err := raise(2, nil); lower != nil || err != nil {
		t.Errorf("again: %v, %v", lower, err)
	}
	if err := join("same", 2); err != nil {
		t.Errorf("a member of that level: %v", err)
	}
	if err := join("low", 1); !errors.Is(err, store.ErrSchemaTooNew) {
		t.Errorf("a member that knows less: %v", err)
	}
}

func acknowledgements(t *testing.T, s store.Store) {
	ctx := within(t)
	row := func(id string) store.Member { // a cache under test may be a member itself
		t.Helper()
		for _, m := range must[[]store.Member](t)(s.Members(ctx)) {
			if m.ID == id {
				return m
			}
		}
		return store.Member{}
	}
	join := func(m store.Member) {
		t.Helper()
		if err := s.Join(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	tags := map[int64]store.Tag{}
	acknowledge := func(head int64, want error, acked int64) {
		t.Helper()
		if err := s.Acknowledge(ctx, "a", head, tags[head]); !errors.Is(err, want) {
			t.Errorf("acknowledging event %d: %v, want %v", head, err, want)
		}
		if got := row("a").Acked; got != acked {
			t.Errorf("event %d is acknowledged, want %d", got, acked)
		}
	}
	a := store.Member{ID: "a", Level: store.Level, Lease: time.Second, TTL: time.Hour}
	acknowledge(1, store.ErrNotFound, 0)
	join(a)
	acknowledge(1, store.ErrNotFound, 0)
	insert(t, s, plain(1), plain(2), plain(3))
	acknowledge(2, store.ErrNotFound, 0) // another event with that number: its tag is not 0
	for _, e := range must[store.Feed](t)(s.Feed(ctx, 0, 10)).Events {
		tags[e.ID] = e.Tag
	}
	acknowledge(2, nil, 2)
	tags[3]++
	acknowledge(3, store.ErrNotFound, 2)
	tags[3]--
	acknowledge(3, nil, 3)
	acknowledge(4, store.ErrNotFound, 3)
	acknowledge(1, nil, 1) // the feed may have gone back
	join(a)
	acknowledge(4, store.ErrNotFound, 0) // nothing, because Join has written the row again
	acknowledge(3, nil, 3)
	join(store.Member{ID: "b", Level: store.Level, Lease: time.Second, TTL: time.Hour})
	if got := row("b").Acked; got != 0 {
		t.Errorf("another member has acknowledged event %d", got)
	}

	stale := store.Member{ID: "stale", Level: store.Level, Redis: true, Lease: time.Second, TTL: 20 * time.Millisecond, MaxStale: time.Hour}
	join(stale)
	eventually(t, "the member has lapsed", func() bool { return row("stale").Lapsed })
	stale.TTL, stale.Lapsed = 0, true
	if got := row("stale"); got != stale {
		t.Errorf("a member that may answer from Redis: %+v, want %+v", got, stale)
	}
	stale.TTL, stale.MaxStale = 20*time.Millisecond, 20*time.Millisecond
	join(stale)
	eventually(t, "the member is gone", func() bool { return row("stale").ID == "" })
}

func contextOver(t *testing.T, s store.Store) {
	insert(t, s, plain(1))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if found, err := s.Lookup(ctx, lookupID(99), ""); err != nil && !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Lookup: %+v, %v; want an answer or ErrUnavailable", found, err)
	}
	if _, err := s.Get(ctx, "apk_none"); errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get returned ErrNotFound without a query: %v", err)
	}
	_, err := s.Change(ctx, store.Actor{}, func(tx store.Tx) error { return tx.Insert(ctx, plain(2), event(store.Created)) })
	if err == nil {
		t.Error("Change succeeded although its context had ended")
	}
}

func closed(t *testing.T, s store.Store) {
	ctx := within(t)
	insert(t, s, plain(1))
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lookup(ctx, lookupID(1), ""); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Lookup: %v, want ErrClosed", err)
	}
	if _, err := s.Change(ctx, store.Actor{}, func(tx store.Tx) error { return nil }); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Change: %v, want ErrClosed", err)
	}
	if _, err := s.Get(ctx, "x"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Get: %v, want ErrClosed", err)
	}
}
