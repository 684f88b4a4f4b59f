package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/latchkey-go/latchkey/internal/observe"
)

// Keys is the product: every verb of an API key, over a Store. Its methods may be called from many goroutines at once. They
// return errors that match the sentinels of this package; messages of *Error are fit to be shown to the caller.
//
// Who asks is in the context: see [NewContext] and [WithActor].
type Keys struct {
	store    Store
	o        Options
	uses     uses
	legacy   legacy
	limits   Limiter
	ids      ids
	recaller recaller     // the store, if it is one
	realTime bool         // Options.Now is not set: a recaller's clock is as good as that of Keys
	alarms   atomic.Int64 // second of the last alarm about a forged record
	count    counters
	member   member
}

// Options are the policies of Keys. The zero value is ready to use.
type Options struct {
	// Sealer makes and checks the proofs of records. Optional. Default: none; whoever can write to the database can then make
	// keys.
	Sealer *Sealer
	// Namespace stands in new tokens between type and body ("sk_acme_…"), so that secret scanners can tell whose they are.
	// Optional. [a-z][a-z0-9]{1,11}, not "live", "test" or "prod" (those look like Stripe's). Default: none.
	Namespace string
	// RefuseMedusaTokens turns off tokens in the form that Medusa hands out.
	RefuseMedusaTokens bool
	// MaxActiveSecrets is how many secret keys may be active at once; as many again may be awaiting their scheduled revocation. 1 is
	// the rule of Medusa 2.0. Default 0: any number, as in Medusa 2.21.
	MaxActiveSecrets int
	// MaxScrypt is how many tokens of imported Medusa keys are checked at once (each takes a core for some 40 ms, and 16 MiB).
	// Default: half the cores, at least 1.
	MaxScrypt int
	// MaxLifetime bounds ExpiresAt: keys that are made without expiry get this one, later ones are refused. A key that is rolled or
	// imported may live for that long from then on. Keys that were there before it was set keep what they have, until somebody
	// changes their expiry. Default 0: no bound.
	MaxLifetime time.Duration
	// FlushInterval is how often last-used times are written. Default 5 s; negative: uses are not tracked.
	FlushInterval time.Duration
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Random is where tokens come from. Default: crypto/rand.Reader.
	Random io.Reader
	// ShortLived is for tools that end soon and answer nobody: they do not join the members of a
	// store without a cache, which they could hold up. Default: false.
	ShortLived bool
	// Observer observes changes and scrypt. Optional. Default: none.
	Observer Observer
	// Logger hears what nobody is there to be told: forged records, last-used times that could not be written.
	// Default: slog.Default().
	Logger *slog.Logger

	extensions []extension // nil: those of the Sealer, or all
}

// New returns Keys over s with the default Options. It panics when s is nil or needs a Sealer.
func New(s Store) *Keys {
	keys, err := Options{}.New(s)
	if err != nil {
		panic(err)
	}
	return keys
}

// New returns Keys over s, or an error that matches ErrInvalid: no store, a bad namespace, another Sealer than the store's own (which
// keeps records without their proofs once it has checked them), or a Sealer here and none in a store that shares its cache with others
// (records read from Redis would go unchecked).
func (o Options) New(s Store) (*Keys, error) {
	if s == nil {
		return nil, Errorf(ErrInvalid, "store: New needs a Store, got nil")
	}
	switch {
	case o.Namespace == "":
	case !isNamespace(o.Namespace):
		return nil, Errorf(ErrInvalid, "store: namespace %q is not of the form [a-z][a-z0-9]{1,11}", o.Namespace)
	case o.Namespace == "live", o.Namespace == "test", o.Namespace == "prod":
		return nil, Errorf(ErrInvalid, "store: namespace %q would make tokens look like Stripe's", o.Namespace)
	}
	if info := s.Info(); info.Sealer != o.Sealer && (info.SharedCache || info.Sealer != nil) {
		return nil, Errorf(ErrInvalid, "store: %s and Options must be given the same Sealer: with peppers, records in a cache are checked too", info.Name)
	}
	if o.MaxLifetime < 0 {
		return nil, Errorf(ErrInvalid, "store: MaxLifetime is negative")
	}
	if o.MaxActiveSecrets < 0 || o.MaxScrypt < 0 {
		return nil, Errorf(ErrInvalid, "store: MaxActiveSecrets or MaxScrypt is negative")
	}
	if o.MaxScrypt == 0 {
		o.MaxScrypt = defaultMaxScrypt()
	}
	if o.FlushInterval == 0 {
		o.FlushInterval = 5 * time.Second
	}
	if o.extensions == nil {
		o.extensions = extensions
		if o.Sealer != nil {
			o.extensions = o.Sealer.extensions
		}
	}
	realTime := o.Now == nil
	if realTime {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	k := &Keys{store: s, o: o, realTime: realTime, ids: ids{entropy: ulid.Monotonic(o.Random, 0)}}
	k.recaller, _ = s.(recaller)
	k.limits.Now = o.Now
	k.uses.init(k)
	k.legacy.init(k)
	k.member.start(k)
	return k, nil
}

// Limiter returns what counts the requests of limited keys in this process, for everything that guards with these Keys. It
// remembers nothing while no key has a limit.
func (k *Keys) Limiter() *Limiter { return &k.limits }

// Close ends the background work, writes the last-used times that are still in memory and closes the store below. The pools and clients that were handed to
// the stores stay open: they are their owner's.
func (k *Keys) Close(ctx context.Context) error {
	return errors.Join(k.legacy.close(ctx), k.uses.close(ctx), k.member.leave(ctx), k.store.Close(ctx))
}

// Now returns the moment by the clock that decides whether a key may be used ([Options.Now]), in UTC and whole milliseconds, as
// everything that is stored.
func (k *Keys) Now() time.Time { return k.now() }

func (k *Keys) now() time.Time { return toMillis(k.o.Now()) }

func toMillis(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

// change runs fn as the principal of ctx, through every cache there is.
func (k *Keys) change(ctx context.Context, verb string, fn func(Tx) error) error {
	actor := Actor{ID: principalFrom(ctx).actor, RequestID: RedactTokens(requestID(ctx))} // the id is the client's own
	ctx, done := observe.Begin(ctx, k.o.Observer, "change."+strings.ReplaceAll(verb, " ", "_"))
	err := observe.ErrPanic
	defer func() { done(err) }()
	if _, err = k.store.Change(ctx, actor, fn); err != nil {
		var userErr *Error
		if errors.As(err, &userErr) {
			return err
		}
		return fmt.Errorf("store: %s: %w", verb, err)
	}
	return nil
}

// ids makes key ids. Those made within a millisecond rise too, so that a listing by id is one by creation.
type ids struct {
	mu      sync.Mutex
	entropy *ulid.MonotonicEntropy
}

// next returns "apk_" and a ULID, as Medusa does. It fails when randomness does.
func (g *ids) next(now time.Time) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id, err := ulid.New(ulid.Timestamp(now), g.entropy)
	if err != nil {
		return "", fmt.Errorf("store: making a key id: %w", err)
	}
	return "apk_" + id.String(), nil
}

// find reads keys for a change and checks their proofs, so that save knows which of them may be sealed again.
func (k *Keys) find(ctx context.Context, tx Tx, f Filter) ([]*Record, error) {
	return k.findSome(ctx, tx, Query{Filter: f})
}

func (k *Keys) findSome(ctx context.Context, tx Tx, q Query) ([]*Record, error) {
	if err := q.Filter.check(); err != nil {
		return nil, err
	}
	q, err := q.scrubSecrets()
	if err != nil {
		return nil, err
	}
	found, err := tx.Find(ctx, q)
	for _, r := range found {
		if err := k.o.Sealer.Verify(r); errors.Is(err, ErrNewerRecord) {
			return nil, err // no change of it would be right
		} else if err != nil {
			k.alarm(r, err)
		}
	}
	return found, err
}

// save writes a changed record with its event and seals it anew, unless its proof did not verify when it was read: what was forged
// must not become genuine because somebody renamed it.
func (k *Keys) save(ctx context.Context, tx Tx, r *Record, kind Kind, now time.Time, details map[string]string) error {
	r.Key.Version++
	if k.isGenuine(r) {
		if err := k.seal(ctx, tx, r); err != nil {
			return err
		}
	}
	return tx.Update(ctx, r, eventFor(r, kind, now, details))
}

// isGenuine reports whether the proof of a record that was read for a change verified.
func (k *Keys) isGenuine(r *Record) bool {
	return k.o.Sealer == nil || r.verifiedBy.Load() == k.o.Sealer
}

// gate returns nil when key may have the extensions that it sets and that before, nil for a new
// key, does not. It is refused while a program is running that does not know them.
func (k *Keys) gate(ctx context.Context, tx Tx, key, before *Key) error {
	for _, x := range k.o.extensions {
		if x.always || !x.set(key) || before != nil && x.set(before) {
			continue
		}
		lower, err := tx.Raise(ctx, x.level)
		if err != nil {
			return fmt.Errorf("store: raise the level for %s: %w", x.name, err)
		}
		if lower != nil {
			return Errorf(ErrNotAllowed, "Field '%s' cannot be set while the instance %s is running, which is too old to know it. Upgrade or stop it, then try again",
				x.name, lower.ID)
		}
	}
	return nil
}

// seal seals r. What every record has is covered from now on if no program is running that does not
// know it.
func (k *Keys) seal(ctx context.Context, tx Tx, r *Record) error {
	if e := r.Evidence.Value(); k.o.Sealer != nil && e.ProofNames == nil {
		for _, x := range k.o.extensions {
			if !x.always {
				continue
			}
			lower, err := tx.Raise(ctx, x.level)
			if err != nil && !errors.Is(err, ErrNoAccess) {
				return err
			}
			if err == nil && lower == nil {
				e.ProofNames = []string{}
				r.SetEvidence(e)
			}
		}
	}
	k.o.Sealer.Seal(r)
	return nil
}

// sealNew seals the record of a key that is about to be inserted.
func (k *Keys) sealNew(ctx context.Context, tx Tx, r *Record) error {
	if err := k.gate(ctx, tx, &r.Key, nil); err != nil {
		return err
	}
	return k.seal(ctx, tx, r)
}

func notFound(id string) error {
	return Errorf(ErrNotFound, "API Key with id: %s was not found", id)
}
