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

// Keys manages and authenticates API keys in a Store. Its methods are safe for concurrent use.
// Their errors match the sentinels of this package. The message of an *Error may be shown to the
// caller.
//
// The principal of a change is taken from the context: see [NewContext] and [WithActor].
type Keys struct {
	store    Store
	o        Options
	uses     uses
	legacy   legacy
	limits   Limiter
	ids      ids
	recaller recaller     // the store, if it implements recaller
	realTime bool         // Options.Now is not set, so the time from a recaller can be used
	alarms   atomic.Int64 // second of the last alarm about a forged record
	count    counters
	member   member
}

// Options configure Keys. The zero value is ready to use.
type Options struct {
	// Sealer creates and checks the proofs of records. Optional. Default: no proofs. Then anyone
	// who can write to the database can create keys.
	Sealer *Sealer
	// Namespace is inserted in new tokens between type and body ("sk_acme_…"), so that secret
	// scanners can identify the owner. Format: [a-z][a-z0-9]{1,11}, but not "live", "test" or
	// "prod", which look like Stripe's. Optional. Default: no namespace.
	Namespace string
	// RefuseMedusaTokens refuses tokens in Medusa's form.
	RefuseMedusaTokens bool
	// MaxActiveSecrets is the maximum number of active secret keys. As many again may await a
	// scheduled revocation. 1 is the rule of Medusa 2.0. Default 0: no maximum, as in Medusa 2.21.
	MaxActiveSecrets int
	// MaxScrypt is how many tokens of imported Medusa keys are checked concurrently. Each check
	// takes some 40 ms of a core, and 16 MiB. Default: half the cores, at least 1.
	MaxScrypt int
	// MaxLifetime limits ExpiresAt. A key that is created without an expiry gets this one; a later
	// one is refused. A key that is rolled or imported may live this long from then. Keys that
	// already exist are not affected until their expiry is changed. Default 0: no limit.
	MaxLifetime time.Duration
	// FlushInterval is how often last-used times are written. Default 5 s. Negative: uses are not
	// tracked.
	FlushInterval time.Duration
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Random is the source of tokens. Default: crypto/rand.Reader.
	Random io.Reader
	// ShortLived is for tools that end soon and do not authenticate requests. They do not join the
	// members of a store without a cache, because they could block its upgrades. Default: false.
	ShortLived bool
	// Observer receives changes and scrypt computations. Optional. Default: no Observer.
	Observer Observer
	// Logger receives errors that cannot be returned to a caller, such as forged records, or
	// last-used times that could not be written. Default: slog.Default().
	Logger *slog.Logger

	extensions []extension // nil: the extensions of the Sealer, or all
}

// New returns Keys over s with the default Options. It panics when s is nil or needs a Sealer.
func New(s Store) *Keys {
	keys, err := Options{}.New(s)
	if err != nil {
		panic(err)
	}
	return keys
}

// New returns Keys over s, or an error that matches ErrInvalid: nil store, bad namespace, negative
// limit, or a different Sealer than the store's. A store drops proofs after its own Sealer has
// checked them, so both must be the same. A store that shares its cache (Redis) must have the
// Sealer too, or records from the cache would not be checked.
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

// Limiter returns the Limiter that counts the requests of limited keys in this process. All guards
// with these Keys share it. It uses no memory while no key has a limit.
func (k *Keys) Limiter() *Limiter { return &k.limits }

// Close stops the background work, writes the last-used times that are still in memory, and closes
// the store. It does not close the database pools and Redis clients that were passed to the stores.
func (k *Keys) Close(ctx context.Context) error {
	return errors.Join(k.legacy.close(ctx), k.uses.close(ctx), k.member.leave(ctx), k.store.Close(ctx))
}

// Now returns the current time of the clock that decides whether a key may be used ([Options.Now]),
// in UTC and whole milliseconds.
func (k *Keys) Now() time.Time { return k.now() }

func (k *Keys) now() time.Time { return toMillis(k.o.Now()) }

func toMillis(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

// change runs fn as the principal of ctx, in a change of the store.
func (k *Keys) change(ctx context.Context, verb string, fn func(Tx) error) error {
	actor := Actor{ID: principalFrom(ctx).actor, RequestID: RedactTokens(requestID(ctx))} // the client chose the id
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

// ids creates key ids. They increase even within a millisecond, so the order of ids is the order of
// creation.
type ids struct {
	mu      sync.Mutex
	entropy *ulid.MonotonicEntropy
}

// next returns "apk_" and a ULID, as Medusa does. It fails when the random source fails.
func (g *ids) next(now time.Time) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id, err := ulid.New(ulid.Timestamp(now), g.entropy)
	if err != nil {
		return "", fmt.Errorf("store: making a key id: %w", err)
	}
	return "apk_" + id.String(), nil
}

// find reads keys for a change and verifies their proofs, so that save knows which of them may be
// sealed again.
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
			return nil, err // this program cannot change it correctly
		} else if err != nil {
			k.alarm(r, err)
		}
	}
	return found, err
}

// save writes a changed record with its event. It seals the record again, unless the proof did not
// verify when the record was read: a change must not make a forged record genuine.
func (k *Keys) save(ctx context.Context, tx Tx, r *Record, kind Kind, now time.Time, details map[string]string) error {
	r.Key.Version++
	if k.isGenuine(r) {
		if err := k.seal(ctx, tx, r); err != nil {
			return err
		}
	}
	return tx.Update(ctx, r, eventFor(r, kind, now, details))
}

// isGenuine reports whether the proof verified when the record was read for the change.
func (k *Keys) isGenuine(r *Record) bool {
	return k.o.Sealer == nil || r.verifiedBy.Load() == k.o.Sealer
}

// gate returns nil when key may set the extensions that before does not set. before is nil for a
// new key. It refuses an extension while a program is running that does not know it.
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

// seal seals r. The proof also covers the extensions that every record has, if no program is
// running that does not know them.
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

// sealNew seals the record of a new key.
func (k *Keys) sealNew(ctx context.Context, tx Tx, r *Record) error {
	if err := k.gate(ctx, tx, &r.Key, nil); err != nil {
		return err
	}
	return k.seal(ctx, tx, r)
}

func notFound(id string) error {
	return Errorf(ErrNotFound, "API Key with id: %s was not found", id)
}
