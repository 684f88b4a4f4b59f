package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// joinSQL writes no row if the level of the store is above the member's. {later} is Dialect.Later,
// which contains the argument.
const joinSQL = `INSERT INTO latchkey_member (id, redis, lease, max_stale, level, expires_at)
	SELECT ?, ?, ?, ?, ?, {later} FROM latchkey_feed WHERE id = 1 AND coalesce(level, 1) <= ?
	ON CONFLICT (id) DO UPDATE SET redis = excluded.redis, lease = excluded.lease, max_stale = excluded.max_stale,
		level = excluded.level, expires_at = excluded.expires_at, acked = NULL`

// acknowledgeSQL writes no row if the event does not exist or no longer exists; see store.Store.
const acknowledgeSQL = `UPDATE latchkey_member SET acked = ? WHERE id = ?
	AND EXISTS (SELECT 1 FROM latchkey_event WHERE id = ? AND coalesce(tag, 0) = ?)`

// membersSQL lists all members. {stale} is the database's clock minus the row's max_stale.
const membersSQL = `SELECT id, redis, lease, coalesce(level, 1), coalesce(max_stale, 300000), expires_at > {now}, expires_at > {stale},
		CASE WHEN acked <= (SELECT head FROM latchkey_feed WHERE id = 1) THEN acked ELSE 0 END
	FROM latchkey_member ORDER BY id`

// Join implements store.Store.
func (s *Store) Join(ctx context.Context, m store.Member) error {
	if err := s.usable(); err != nil {
		return err
	}
	if !storable(m.ID) {
		return store.Errorf(store.ErrInvalid, "the member's id is not valid UTF-8 or contains a NUL character")
	}
	level := int64(max(m.Level, 1))
	n, err := s.exec(ctx, "join", s.sql.join,
		m.ID, m.Redis, int64(m.Lease), m.MaxStale.Milliseconds(), level, m.TTL.Milliseconds(), level)
	if err != nil || n > 0 {
		return err
	}
	return s.joinError(ctx, m)
}

// joinError returns why Join wrote no row for m. If the level of this program is too low, the store
// fails permanently.
func (s *Store) joinError(ctx context.Context, m store.Member) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	var level int
	if err := s.db.QueryRowContext(ctx, s.sql.level).Scan((*count)(&level)); errors.Is(err, sql.ErrNoRows) {
		return s.fail("join", errNoFeed)
	} else if err != nil {
		return s.fail("join", err)
	}
	return s.failLevel(level, m.Level)
}

// Acknowledge implements store.Store.
func (s *Store) Acknowledge(ctx context.Context, member string, head int64, tag store.Tag) error {
	if err := s.usable(); err != nil {
		return err
	}
	n := 0
	if storable(member) {
		var err error
		if n, err = s.exec(ctx, "acknowledge", s.sql.acknowledge, head, member, head, int64(tag)); err != nil {
			return err
		}
	}
	if n == 0 {
		return fmt.Errorf("%s: acknowledge event %d as member %q: %w", s.d.Name, head, member, store.ErrNotFound)
	}
	return nil
}

// Leave implements store.Store.
func (s *Store) Leave(ctx context.Context, id string) error {
	if err := s.usable(); err != nil || !storable(id) {
		return err
	}
	_, err := s.exec(ctx, "leave", s.sql.leave, id)
	return err
}

// Members implements store.Store. The statement that removes lapsed rows checks them again, because
// they may have been renewed.
func (s *Store) Members(ctx context.Context) ([]store.Member, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	members, expired, err := s.members(ctx)
	if err != nil {
		return nil, s.fail("read members", err)
	}
	if expired {
		if _, err := s.exec(ctx, "remove lapsed members", s.sql.forgetMembers); err != nil {
			return nil, err
		}
	}
	return members, nil
}

func (s *Store) members(ctx context.Context) (members []store.Member, expired bool, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	rows, err := s.db.QueryContext(ctx, s.sql.members)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var m store.Member
		var lease, maxStale int64
		var live, retained bool
		if err := rows.Scan(&m.ID, (*flag)(&m.Redis), &lease, &m.Level, &maxStale,
			(*flag)(&live), (*flag)(&retained), &m.Acked); err != nil {
			return nil, false, err
		}
		m.Lease, m.MaxStale, m.Lapsed = time.Duration(lease), time.Duration(maxStale)*time.Millisecond, !live
		if live || retained {
			members = append(members, m)
		} else {
			expired = true
		}
	}
	return members, expired, rows.Err()
}
