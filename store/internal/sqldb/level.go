package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// A migration whose header has a line "-- level: N" brings the columns of the attributes that
// programs of level N know. The level of the store is in latchkey_feed, NULL for 1: every statement
// that reads keys for a request reads it too, so that a program never answers from a row that it
// may misread. Programs of level 1 do not look there. What keeps them out is min_compatible.

// level returns what a program with these migrations knows.
func (d *Dialect) level() (int, error) {
	known := 1
	steps, err := readSteps(d.Migrations)
	for _, next := range steps {
		known = max(known, next.level)
	}
	return known, err
}

// firstWith returns the number of the first migration that brings at least this level.
func (d *Dialect) firstWith(level int) (int, error) {
	steps, err := readSteps(d.Migrations)
	for _, next := range steps {
		if next.level >= level {
			return next.number, nil
		}
	}
	return 0, errors.Join(err, fmt.Errorf("%s: no migration brings level %d", d.Name, level))
}

// knows returns nil when this program reads every key of a store of that level right, and else
// gives the store up for good.
func (s *Store) knows(level int) error {
	if level <= s.level {
		return nil
	}
	return s.tooNew(level, s.level)
}

func (s *Store) tooNew(level, known int) error {
	err := fmt.Errorf("%s: %w: it has keys of level %d; this program knows level %d", s.d.Name, store.ErrSchemaTooNew, level, known)
	if s.refuse(err) {
		s.log.Error("a newer program has changed keys in ways that this one does not know: "+
			"no key can be checked or changed by this program. Use the newer one", "store", s.d.Name, "error", err)
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// lowerMemberSQL counts members that have lapsed for as long as they are kept: they may have lost
// the database and come back. {stale} is as in membersSQL.
const lowerMemberSQL = `SELECT id, coalesce(level, 1) FROM latchkey_member WHERE coalesce(level, 1) < ? AND expires_at > {stale}
	ORDER BY id LIMIT 1`

// Raise implements store.Tx. The level was read when the feed's lock was taken.
func (t *tx) Raise(ctx context.Context, level int) (*store.Member, error) {
	if err := t.usable(); err != nil || level <= max(t.level, 1) {
		return nil, err
	}
	if t.lower != nil && t.lower.Level < level { // asked before in this change
		return t.lower, nil
	}
	if lacking := t.s.lacking.Load(); lacking != nil && time.Since(lacking.at) < lackMemory {
		return nil, lacking.err
	}
	first, err := t.s.d.firstWith(level)
	if err != nil {
		return nil, err
	}
	if t.lower, err = t.lowerMember(ctx, level); t.lower != nil || err != nil {
		return t.lower, err
	}
	if err := t.mayRaise(ctx); err != nil {
		return nil, err
	}
	if _, err := t.exec(ctx, "raise the level", t.s.d.bind(`UPDATE latchkey_feed SET level = ? WHERE id = 1`), int64(level)); err != nil {
		return nil, err
	}
	if _, err := t.exec(ctx, "raise min_compatible",
		t.s.d.bind(`UPDATE latchkey_version SET min_compatible = ? WHERE id = 1 AND min_compatible < ?`), int64(first), int64(first)); err != nil {
		return nil, err
	}
	t.level = level
	return nil, nil
}

// lowerMember returns a member that knows less than level, or nil.
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

// lackMemory is how long a missing right is remembered, so that not every change checks it again.
const lackMemory = time.Minute

// mayRaise returns nil, or an error that matches store.ErrNoAccess when the role lacks the right.
// That is found out before the statement, whose failure would end a transaction of PostgreSQL.
func (t *tx) mayRaise(ctx context.Context) error {
	s := t.s
	if s.d.Rights == nil {
		return nil
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	lack, err := s.d.Rights(ctx, t.sql)
	if err != nil {
		return t.fail("ask for rights", err)
	}
	if lack.Raise == "" {
		return nil
	}
	s.log.Warn("the level of the store cannot be raised: proofs stay those of older programs", "store", s.d.Name, "reason", lack.Raise)
	err = s.noAccess(lack.Raise, nil)
	s.lacking.Store(&lacking{err: err, at: time.Now()})
	return err
}

// lacking is why the level cannot be raised, and when that was found out.
type lacking struct {
	err error
	at  time.Time
}
