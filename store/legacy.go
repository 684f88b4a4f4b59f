package store

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/scrypt"

	"github.com/latchkey-go/latchkey/internal/observe"
)

// The parameters with which Medusa hashes a secret token: node's default cost, 64 bytes of output,
// and the hexadecimal text of the salt as the salt.
const (
	scryptN     = 16384
	scryptR     = 8
	scryptP     = 1
	scryptBytes = 64
)

const (
	// legacyWait is how long a request waits for a free slot before it is refused with
	// ErrUnavailable.
	legacyWait = time.Second
	// legacyMemory is how long the result of a scrypt computation is cached, legacySize the maximum
	// number of results.
	legacyMemory = 10 * time.Second
	legacySize   = 10_000
	// upgradeBatch is how many imported keys are upgraded in one change.
	upgradeBatch = 100
	upgradeTime  = 30 * time.Second
)

// legacy authenticates imported Medusa keys. Their rows hold the scrypt hash of the token, and can
// be found only by its redacted form. scrypt takes some 40 ms of a core, so it runs once per key:
// at most slots computations run concurrently, results are cached, and a key that matched gets its
// lookup id in the background.
type legacy struct {
	keys  *Keys
	slots chan struct{}

	mu       sync.Mutex
	outcomes map[LookupID]outcome
	queues   map[string]*queue  // by redacted form of the token
	waiting  map[string]upgrade // by key id
	running  bool
	closed   bool
	done     sync.WaitGroup
}

// outcome is the result of scrypt for a token and its candidates.
type outcome struct {
	candidates string
	keyID      string // "": no candidate matched
	until      time.Time
}

type upgrade struct {
	lookup LookupID
	salt   string
	hash   []byte
}

func (l *legacy) init(k *Keys) {
	l.keys = k
	l.slots = make(chan struct{}, max(1, k.o.MaxScrypt))
	l.outcomes = make(map[LookupID]outcome)
	l.queues = make(map[string]*queue)
	l.waiting = make(map[string]upgrade)
}

// defaultMaxScrypt leaves half of the cores to other work.
func defaultMaxScrypt() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// check returns the candidate that matches the token and may be used now. Errors match
// ErrUnauthenticated, or ErrUnavailable when no slot was free within legacyWait.
func (l *legacy) check(ctx context.Context, t Token, candidates []*Record, now time.Time) (*Record, error) {
	var usable []*Record
	for _, r := range candidates {
		if r.Key.Type != Secret || r.Key.Check(now) != nil || len(r.Evidence.Value().LegacyHash) == 0 {
			continue
		}
		if err := l.keys.o.Sealer.Verify(r); errors.Is(err, ErrNewerRecord) {
			return nil, err
		} else if err != nil { // a planted row
			l.keys.alarm(r, err)
			continue
		}
		usable = append(usable, r)
	}
	if len(usable) == 0 {
		return nil, ErrUnknownToken
	}
	id, named := t.LookupID(), fingerprint(usable)
	if o, ok := l.remembered(id, named, now); ok {
		return pick(usable, o.keyID)
	}

	done, err := l.acquire(ctx, t.Redacted())
	if err != nil {
		return nil, err
	}
	defer done()
	if o, ok := l.remembered(id, named, now); ok { // another request has checked the same token
		return pick(usable, o.keyID)
	}
	found := ""
	for _, r := range usable {
		sum, err := l.derive(ctx, t, r)
		if err != nil {
			return nil, fmt.Errorf("store: scrypt: %w: %w", ErrUnavailable, err)
		}
		if subtle.ConstantTimeCompare(sum, r.Evidence.LegacyHash) == 1 {
			// ImportToken may have created a key with this token that was deleted here since. The
			// imported key must not replace it.
			past, err := l.keys.store.Events(ctx, EventQuery{LookupID: id, Kind: Deleted, Limit: 1})
			if err != nil {
				return nil, unavailable(err)
			}
			if len(past) == 0 {
				found = r.Key.ID
				l.scheduleUpgrade(r, id)
			}
			break
		}
	}
	l.remember(id, outcome{candidates: named, keyID: found, until: now.Add(legacyMemory)}, now)
	return pick(usable, found)
}

// derive computes the hash that Medusa would store if r had this token.
func (l *legacy) derive(ctx context.Context, t Token, r *Record) ([]byte, error) {
	_, done := observe.Begin(ctx, l.keys.o.Observer, "scrypt.derive")
	sum, err := scrypt.Key([]byte(t.Reveal()), []byte(r.Evidence.LegacySalt), scryptN, scryptR, scryptP, scryptBytes)
	done(err)
	l.keys.count.scrypts.Add(1)
	return sum, err
}

// acquire waits for a free slot, at most for legacyWait, and returns a function that releases it.
// Per redacted form only one token waits for the slots, so a flood of tokens for one key does not
// block the first use of other keys.
func (l *legacy) acquire(ctx context.Context, redacted string) (done func(), err error) {
	queue := l.joinQueue(redacted)
	wait := time.NewTimer(legacyWait)
	defer wait.Stop()
	for _, place := range []chan struct{}{queue.taken, l.slots} {
		select {
		case place <- struct{}{}:
			continue
		case <-wait.C:
			l.keys.count.scryptsBusy.Add(1)
			err = fmt.Errorf("store: too many imported keys are being checked at once: %w", ErrUnavailable)
		case <-ctx.Done():
			err = fmt.Errorf("store: waiting to check an imported key: %w: %w", ErrUnavailable, ctx.Err())
		}
		if place == l.slots {
			<-queue.taken
		}
		l.leaveQueue(redacted)
		return nil, err
	}
	return func() {
		<-l.slots
		<-queue.taken
		l.leaveQueue(redacted)
	}, nil
}

// queue serializes the checks of one redacted form. It exists while requests use it.
type queue struct {
	taken chan struct{}
	users int
}

func (l *legacy) joinQueue(redacted string) *queue {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.queues[redacted]
	if t == nil {
		t = &queue{taken: make(chan struct{}, 1)}
		l.queues[redacted] = t
	}
	t.users++
	return t
}

func (l *legacy) leaveQueue(redacted string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.queues[redacted]
	if t.users--; t.users == 0 {
		delete(l.queues, redacted)
	}
}

// fingerprint identifies records with their versions, so that a result is not used for other
// records.
func fingerprint(records []*Record) string {
	var b strings.Builder
	for _, r := range records {
		b.WriteString(r.Key.ID)
		b.WriteByte('@')
		b.WriteString(strconv.FormatInt(r.Key.Version, 10))
		b.WriteByte(' ')
	}
	return b.String()
}

func pick(records []*Record, keyID string) (*Record, error) {
	for _, r := range records {
		if r.Key.ID == keyID {
			return r, nil
		}
	}
	return nil, ErrUnknownToken
}

func (l *legacy) remembered(id LookupID, candidates string, now time.Time) (outcome, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o, ok := l.outcomes[id]
	return o, ok && o.candidates == candidates && now.Before(o.until)
}

func (l *legacy) remember(id LookupID, o outcome, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.outcomes) >= legacySize {
		for old, o := range l.outcomes {
			if !now.Before(o.until) {
				delete(l.outcomes, old)
			}
		}
	}
	if len(l.outcomes) >= legacySize {
		clear(l.outcomes) // takes minutes at 25 computations a second and core; each key is then computed again once
	}
	l.outcomes[id] = o
}

// scheduleUpgrade sets the lookup id of the key in the background. After a failure the next use of
// the key tries again.
func (l *legacy) scheduleUpgrade(r *Record, id LookupID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.waiting[r.Key.ID] = upgrade{lookup: id, salt: r.Evidence.LegacySalt, hash: r.Evidence.LegacyHash}
	if !l.running {
		l.running = true
		l.done.Go(l.upgradeAll)
	}
}

func (l *legacy) upgradeAll() {
	for {
		l.mu.Lock()
		batch := make(map[string]upgrade, min(len(l.waiting), upgradeBatch))
		for id, u := range l.waiting {
			if len(batch) == upgradeBatch {
				break
			}
			batch[id] = u
			delete(l.waiting, id)
		}
		if len(batch) == 0 {
			l.running = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		if err := l.upgrade(batch); err != nil {
			l.keys.count.upgradesLost.Add(uint64(len(batch)))
			l.keys.o.Logger.Warn("latchkey: imported keys could not be upgraded; their next use tries again", "keys", len(batch), "error", err)
		}
	}
}

// upgrade writes the lookup ids of a batch in one change. It skips keys that have changed since
// they were checked.
func (l *legacy) upgrade(batch map[string]upgrade) error {
	ctx, cancel := context.WithTimeout(context.Background(), upgradeTime)
	defer cancel()
	k := l.keys
	ids := make([]string, 0, len(batch))
	for id := range batch {
		ids = append(ids, id)
	}
	upgraded := uint64(0)
	err := k.change(ctx, "upgrade imported keys", func(tx Tx) error {
		found, err := k.find(ctx, tx, Filter{IDs: ids})
		if err != nil {
			return err
		}
		for _, r := range found {
			u, e := batch[r.Key.ID], r.Evidence.Value()
			if k.o.Sealer.Verify(r) != nil || !r.Key.LookupID.IsZero() || e.LegacySalt != u.salt || subtle.ConstantTimeCompare(e.LegacyHash, u.hash) != 1 {
				continue
			}
			r.Key.LookupID = u.lookup
			e.LegacySalt, e.LegacyHash = "", nil
			r.SetEvidence(e)
			if err := k.save(ctx, tx, r, Upgraded, k.now(), nil); err != nil {
				return err
			}
			upgraded++
		}
		return nil
	})
	if err == nil {
		k.count.upgraded.Add(upgraded)
	}
	return err
}

// close waits until a running upgrade ends or ctx is done.
func (l *legacy) close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	done := make(chan struct{})
	go func() {
		l.done.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("store: waiting for upgrades of imported keys: %w", ctx.Err())
	}
}
