package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// A migration with the header line "-- level: N" adds the columns of the attributes that programs
// of level N support. The level of the store is in latchkey_feed; NULL means 1. Every statement
// that reads keys for a request reads the level too, so that a program never misreads a row.
// Programs of level 1 do not read it: min_compatible excludes them.

// level returns the level that a program with these migrations supports.
func (d *Dialect) level() (int, error) {
	known := 1
	steps, err := readSteps(d.Migrations)
	for _, next := range steps {
		known = max(known, next.level)
	}
	return known, err
}

// firstWith returns the number of the first migration with at least this level.
func (d *Dialect) firstWith(level int) (int, error) {
	steps, err := readSteps(d.Migrations)
	for _, next := range steps {
		if next.level >= level {
			return next.number, nil
		}
	}
	return 0, errors.Join(err, fmt.Errorf("%s: no migration brings level %d", d.Name, level))
}

// checkLevel returns nil if this program supports the level of the store. Otherwise the store fails
// permanently.
func (s *Store) checkLevel(level int) error {
	if level <= s.level {
		return nil
	}
	return s.failLevel(level, s.level)
}

func (s *Store) failLevel(level, known int) error {
	err := fmt.Errorf("%s: %w: it has keys of level %d; this program knows level %d",
		s.d.Name, store.ErrSchemaTooNew, level, known)
	if s.failPermanently(err) {
		s.log.Error("a newer program has changed keys in ways that this one does not know: "+
			"no key can be checked or changed by this program. Use the newer one", "store", s.d.Name, "error", err)
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// lowerMemberSQL also finds members that have lapsed but whose row remains: they may have lost the
// database and may return. {stale} is as in membersSQL.
const lowerMemberSQL = `SELECT id, coalesce(level, 1) FROM latchkey_member WHERE coalesce(level, 1) < ? AND expires_at > {stale}
	ORDER BY id LIMIT 1`

// Raise implements store.Tx. begin has read the level, under the feed's lock.
func (t *tx) Raise(ctx context.Context, level int) (*store.Member, error) {
	if err := t.usable(); err != nil || level <= max(t.level, 1) {
		return nil, err
	}
	if t.lower != nil && t.lower.Level < level { // already found in this change
		return t.lower, nil
	}
	if missingRaise := t.s.missingRaise.Load(); missingRaise != nil && time.Since(missingRaise.at) < missingRaiseTTL {
		return nil, missingRaise.err
	}
	first, err := t.s.d.firstWith(level)
	if err != nil {
		return nil, err
	}
	if t.lower, err = t.lowerMember(ctx, level); t.lower != nil || err != nil {
		return t.lower, err
	}
	if err := t.checkRaise(ctx); err != nil {
		return nil, err
	}
	raiseLevel := t.s.d.bind(`UPDATE latchkey_feed SET level = ? WHERE id = 1`)
	if _, err := t.exec(ctx, "raise the level", raiseLevel, int64(level)); err != nil {
		return nil, err
	}
	raiseMin := t.s.d.bind(`UPDATE latchkey_version SET min_compatible = ? WHERE id = 1 AND min_compatible < ?`)
	if _, err := t.exec(ctx, "raise min_compatible", raiseMin, int64(first), int64(first)); err != nil {
		return nil, err
	}
	t.level = level
	return nil, nil
}

// lowerMember returns a member whose level is lower, or nil.
func (t *tx) lowerMember(ctx context.Context, level int) (*store.Member, error) {
	ctx, cancel := t.s.bounded(ctx)
	defer cancel()
	var m store.Member
	switch err := t.sql.QueryRowContext(ctx, t.s.sql.lowerMember, int64(level)).Scan(&m.ID, &m.Level); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, t.fail("read the members", err)
	}
	return &m, nil
}

// missingRaiseTTL is how long a missing right is cached, so that not every change checks it again.
const missingRaiseTTL = time.Minute

// checkRaise returns an error that matches store.ErrNoAccess if the role lacks the right to raise
// the level. It checks before the statement, because a failed statement would end a transaction of
// PostgreSQL.
func (t *tx) checkRaise(ctx context.Context) error {
	s := t.s
	if s.d.Rights == nil {
		return nil
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	missing, err := s.d.Rights(ctx, t.sql)
	if err != nil {
		return t.fail("read the rights", err)
	}
	if missing.Raise == "" {
		return nil
	}
	s.log.Warn("the level of the store cannot be raised: proofs keep the format of older programs",
		"store", s.d.Name, "reason", missing.Raise)
	err = s.noAccess(missing.Raise, nil)
	s.missingRaise.Store(&missingRaise{err: err, at: time.Now()})
	return err
}

// missingRaise is why the level cannot be raised, and when that was checked.
type missingRaise struct {
	err error
	at  time.Time
}
