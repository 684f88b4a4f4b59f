package sqldb

import (
	"context"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// {later} is Dialect.Later, which holds the argument.
const joinSQL = `INSERT INTO latchkey_member (id, redis, lease, level, expires_at) VALUES (?, ?, ?, ?, {later})
	ON CONFLICT (id) DO UPDATE SET redis = excluded.redis, lease = excluded.lease, level = excluded.level, expires_at = excluded.expires_at`

// Join implements store.Store.
func (s *Store) Join(ctx context.Context, m store.Member) error {
	if err := s.usable(); err != nil {
		return err
	}
	if !storable(m.ID) {
		return store.Errorf(store.ErrInvalid, "the member's id is not valid UTF-8 or contains a NUL character")
	}
	_, err := s.exec(ctx, "join", s.sql.join, m.ID, m.Redis, int64(m.Lease), store.Level, m.TTL.Milliseconds())
	return err
}

// Leave implements store.Store.
func (s *Store) Leave(ctx context.Context, id string) error {
	if err := s.usable(); err != nil || !storable(id) {
		return err
	}
	_, err := s.exec(ctx, "leave", s.sql.leave, id)
	return err
}

// Members implements store.Store. Whether a row has lapsed is asked again when it is removed, since it may be renewed in between.
func (s *Store) Members(ctx context.Context) ([]store.Member, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	members, lapsed, err := s.members(ctx)
	if err != nil {
		return nil, s.fail("read members", err)
	}
	if lapsed {
		if _, err := s.exec(ctx, "remove lapsed members", s.sql.forgetMembers); err != nil {
			return nil, err
		}
	}
	return members, nil
}

func (s *Store) members(ctx context.Context) (members []store.Member, lapsed bool, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	rows, err := s.db.QueryContext(ctx, s.sql.members)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var m store.Member
		var lease int64
		var live bool
		if err := rows.Scan(&m.ID, (*flag)(&m.Redis), &lease, &m.Level, (*flag)(&live)); err != nil {
			return nil, false, err
		}
		m.Lease = time.Duration(lease)
		if live {
			members = append(members, m)
		} else {
			lapsed = true
		}
	}
	return members, lapsed, rows.Err()
}
