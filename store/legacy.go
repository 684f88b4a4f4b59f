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

// How Medusa derives the hash of a secret token: node's default cost, 64 bytes out, and the salt's hexadecimal text as the salt.
const (
	scryptN     = 16384
	scryptR     = 8
	scryptP     = 1
	scryptBytes = 64
)

const (
	// legacyWait is how long a request waits for a place among the scrypt computations before it is told to come back.
	legacyWait = time.Second
	// legacyMemory is how long the outcome of a scrypt computation is remembered, legacySize how many of them at most.
	legacyMemory = 10 * time.Second
	legacySize   = 10_000
	// upgradeBatch is how many imported keys are given their lookup ids in one change.
	upgradeBatch = 100
	upgradeTime  = 30 * time.Second
)

// legacy authenticates imported Medusa keys: rows that hold scrypt of their token and nothing to find it by but the redacted form. scrypt costs
// some 40 ms of processor, so it runs once per key: at most slots at a time, its outcome is remembered, and a key that was proved
// is given its lookup id in the background.
type legacy struct {
	keys  *Keys
	slots chan struct{}

	mu       sync.Mutex
	outcomes map[LookupID]outcome
	queues   map[string]*queue  // by redacted form
	waiting  map[string]upgrade // by key id
	running  bool
	closed   bool
	done     sync.WaitGroup
}

// outcome is what scrypt said about a token and the candidates that it was held against.
type outcome struct {
	candidates string
	keyID      string // "" for none of them
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

// defaultMaxScrypt leaves half of the cores to everything else.
func defaultMaxScrypt() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// check returns the candidate that the token belongs to and that may be used now. Errors match ErrUnauthenticated, or ErrUnavailable
// when there was no place for the computation within legacyWait.
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
	if o, ok := l.remembered(id, named, now); ok { // somebody else was asking the same
		return pick(usable, o.keyID)
	}
	found := ""
	for _, r := range usable {
		sum, err := l.derive(ctx, t, r)
		if err != nil {
			return nil, fmt.Errorf("store: scrypt: %w: %w", ErrUnavailable, err)
		}
		if subtle.ConstantTimeCompare(sum, r.Evidence.LegacyHash) == 1 {
			// A key with this token may have been deleted here, one that was made by ImportToken: its twin must not take its place.
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

// derive computes what Medusa would keep of the token as the key r.
func (l *legacy) derive(ctx context.Context, t Token, r *Record) ([]byte, error) {
	_, done := observe.Begin(ctx, l.keys.o.Observer, "scrypt.derive")
	sum, err := scrypt.Key([]byte(t.Reveal()), []byte(r.Evidence.LegacySalt), scryptN, scryptR, scryptP, scryptBytes)
	done(err)
	l.keys.count.scrypts.Add(1)
	return sum, err
}

// begin waits for a place among the computations, for legacyWait at most, and returns what gives it back. Of each redacted form only
// one token at a time stands in the queue for the places: whoever floods one key keeps no other from its first use.
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

// turn is the queue of one redacted form; it is there while somebody is in it.
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

// fingerprint names records and their versions, so that an outcome is not used for others.
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
		clear(l.outcomes) // at 25 computations a second and core this takes minutes; starting again costs one each
	}
	l.outcomes[id] = o
}

// later gives the key its lookup id in the background: best effort, the next use after a failure tries again.
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

// upgrade writes the lookup ids of a batch in one change. A key that has changed since it was proved is left alone.
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

// close waits for an upgrade under way, until ctx is done.
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
