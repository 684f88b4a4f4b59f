package sqldbtest

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

// patience is how long tests wait for something that should happen much sooner.
const patience = 30 * time.Second

// Eventually polls until ok holds.
func Eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("still not: %s", what)
		}
	}
}

// Insist makes a change and retries it while it fails before it begins: SQLite does not queue for
// the file's lock, so on a busy machine a change can be unlucky for seconds.
func Insist(ctx context.Context, s store.Store, fn func(store.Tx) error) (store.Change, error) {
	for {
		began := false
		change, err := s.Change(ctx, store.Actor{}, func(tx store.Tx) error {
			began = true
			return fn(tx)
		})
		if began || !errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil {
			return change, err
		}
	}
}

// TenAtOnce tests that ten instances, each with its own pool, can start concurrently on one empty
// database. All must be ready when Open returns, without a second attempt in the background. open
// is called from several goroutines; the stores are closed.
func TenAtOnce(t *testing.T, open func() (store.Store, error)) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	start := make(chan struct{})
	var feeds sync.Map
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			<-start
			s, err := open()
			if err != nil {
				t.Errorf("instance %d: %v", i, err)
				return
			}
			defer s.Close(ctx)
			feed, err := s.Feed(ctx, 0, 0)
			if err != nil {
				t.Errorf("instance %d: %v", i, err)
				return
			}
			feeds.Store(feed.ID, i)
			if _, err := Insist(ctx, s, func(tx store.Tx) error {
				return tx.Insert(ctx, Record(i), Event(store.Created))
			}); err != nil {
				t.Errorf("instance %d: %v", i, err)
			}
		})
	}
	close(start)
	all.Wait()
	n := 0
	feeds.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("the instances see %d different feeds", n)
	}
}

// GapFree tests the feed: through several pools, many goroutines change and roll back concurrently,
// while a reader follows the feed. The reader must see events in the order of their numbers,
// without a gap, and must find their keys. stores share one empty database.
func GapFree(t *testing.T, stores []store.Store) {
	const goroutines, rounds = 4, 30
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)

	stop, read := make(chan struct{}), make(chan int64)
	go func() { read <- follow(ctx, t, stores[0], stop) }()

	var mu sync.Mutex
	var numbers []int64 // of all events of committed changes
	var writers sync.WaitGroup
	for i, s := range stores {
		for j := range goroutines {
			random := rand.New(rand.NewPCG(seed, uint64(i*goroutines+j)))
			writers.Go(func() {
				for k := range rounds {
					change, err := Insist(ctx, s, randomChange(ctx, random, (i*goroutines+j)*1000+10*k))
					if err != nil && !errors.Is(err, errUndo) {
						t.Errorf("change: %v", err)
						return
					}
					mu.Lock()
					for n := change.First; err == nil && n <= change.Last; n++ {
						numbers = append(numbers, n)
					}
					mu.Unlock()
				}
			})
		}
	}
	writers.Wait()
	close(stop)
	last := <-read

	slices.Sort(numbers)
	for i, n := range numbers {
		if n != int64(i)+1 {
			t.Fatalf("event %d is missing or was given out twice (found %d in its place)", i+1, n)
		}
	}
	if len(numbers) == 0 || last != int64(len(numbers)) {
		t.Errorf("%d events were committed, the reader saw %d", len(numbers), last)
	}
}

var errUndo = errors.New("undo")

// randomChange creates one to three keys and, in a third of the cases, rolls back.
func randomChange(ctx context.Context, random *rand.Rand, n int) func(store.Tx) error {
	keys, undo := 1+random.IntN(3), random.IntN(3) == 0
	return func(tx store.Tx) error {
		for i := range keys {
			if err := tx.Insert(ctx, Record(n+i), Event(store.Created)); err != nil {
				return err
			}
		}
		if undo {
			return errUndo
		}
		return nil
	}
}

// follow reads the feed until stop is closed, and then to its end. It returns the number of the
// last event.
func follow(ctx context.Context, t *testing.T, s store.Store, stop <-chan struct{}) int64 {
	last := int64(0)
	for stopping := false; ; {
		feed, err := s.Feed(ctx, last, 7)
		if err != nil {
			t.Errorf("feed: %v", err)
			return last
		}
		for _, e := range feed.Events {
			if e.ID != last+1 {
				t.Errorf("the reader saw event %d after event %d", e.ID, last)
				return last
			}
			last = e.ID
			found, err := s.Lookup(ctx, e.LookupID, "")
			if err != nil || found.Record == nil || found.Head < e.ID {
				t.Errorf("event %d is in the feed, but its key is missing: %v", e.ID, err)
				return last
			}
		}
		if feed.Head < last || (len(feed.Events) == 0 && feed.Head != last) {
			t.Errorf("head is %d, the last event %d", feed.Head, last)
			return last
		}
		if len(feed.Events) == 0 && stopping {
			return last
		}
		select {
		case <-stop:
			stopping = true
		default:
		}
	}
}

// Panic tests that a change whose function panics is rolled back, propagates the panic, and
// releases the lock.
func Panic(t *testing.T, s store.Store) {
	ctx := t.Context()
	func() {
		defer func() {
			if got := recover(); got != "boom" {
				t.Errorf("recovered %v", got)
			}
		}()
		_, _ = s.Change(ctx, store.Actor{}, func(tx store.Tx) error {
			if err := tx.Insert(ctx, Record(1), Event(store.Created)); err != nil {
				return err
			}
			panic("boom")
		})
	}()
	change, err := s.Change(ctx, store.Actor{}, func(tx store.Tx) error { return tx.Insert(ctx, Record(1), Event(store.Created)) })
	if err != nil || change.First != 1 {
		t.Errorf("the change after the panic: %+v, %v", change, err)
	}
}

// Conflicts tests that a change may continue after ErrConflict without losing anything, and that a
// change which continues after an error of the database is not committed.
func Conflicts(t *testing.T, s store.Store, breakTx func(store.Tx) error) {
	ctx := t.Context()
	if _, err := s.Change(ctx, store.Actor{}, func(tx store.Tx) error {
		if err := errors.Join(tx.Insert(ctx, Record(1), Event(store.Created)), tx.Insert(ctx, Record(2), Event(store.Created))); err != nil {
			return err
		}
		if err := tx.Insert(ctx, Record(1), Event(store.Created)); !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("insert of a key that is there: %w", err)
		}
		thief := Record(2)
		thief.Key.LookupID = LookupID(1)
		if err := tx.Update(ctx, thief, Event(store.Updated)); !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("update to a lookup id that is taken: %w", err)
		}
		if err := tx.Update(ctx, Record(3), Event(store.Updated)); !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("update of a key that is not there: %w", err)
		}
		return tx.Insert(ctx, Record(4), Event(store.Created))
	}); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Count(ctx, store.Filter{}); n != 3 || err != nil {
		t.Errorf("%d keys, %v", n, err)
	}
	if feed, err := s.Feed(ctx, 0, 10); len(feed.Events) != 3 || err != nil {
		t.Errorf("%d events, %v", len(feed.Events), err)
	}
	_, err := s.Change(ctx, store.Actor{}, func(tx store.Tx) error {
		if err := tx.Insert(ctx, Record(5), Event(store.Created)); err != nil {
			return err
		}
		if err := breakTx(tx); err == nil {
			t.Error("the transaction was not broken")
		}
		return nil
	})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a change that ignored an error of the database: %v", err)
	}
	if _, err := s.Get(ctx, Record(5).Key.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("it was committed: %v", err)
	}
}

// Total tests that the total of Count for the zero Filter equals the counted number.
func Total(t *testing.T, s store.Store) {
	ctx := t.Context()
	everything := store.Filter{Types: []store.Type{store.Secret, store.Publishable}}
	for i, fn := range []func(store.Tx) error{
		func(tx store.Tx) error { return tx.Insert(ctx, Record(1), Event(store.Created)) },
		func(tx store.Tx) error {
			return errors.Join(tx.InsertQuietly(ctx, Record(2)), tx.InsertQuietly(ctx, Record(3)), tx.Append(ctx, nil, Event(store.Imported)))
		},
		func(tx store.Tx) error {
			return errors.Join(tx.Insert(ctx, Record(4), Event(store.Created)), tx.Delete(ctx, Record(1), Event(store.Deleted)))
		},
		func(tx store.Tx) error { return tx.Delete(ctx, Record(2), Event(store.Deleted)) },
		func(tx store.Tx) error {
			_, err := tx.Events(ctx, store.EventQuery{}) // writes the pending events first
			return errors.Join(err, tx.Insert(ctx, Record(5), Event(store.Created)))
		},
		func(tx store.Tx) error {
			err := tx.Insert(ctx, Record(6), Event(store.Created))
			_, err2 := tx.Events(ctx, store.EventQuery{})
			return errors.Join(err, err2)
		},
	} {
		if _, err := s.Change(ctx, store.Actor{}, fn); err != nil {
			t.Fatal(err)
		}
		total, err := s.Count(ctx, store.Filter{})
		counted, err2 := s.Count(ctx, everything)
		if total != counted || err != nil || err2 != nil {
			t.Errorf("after change %d the total is %d, counted are %d (%v, %v)", i+1, total, counted, err, err2)
		}
	}
	feed, err := s.Feed(ctx, 0, 100)
	if err != nil || feed.Head != 7 || len(feed.Events) != 7 {
		t.Errorf("feed %+v, %v", feed, err)
	}
}
