package sqldb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// channel is the prefix of a channel's name. The feed's id follows, so that stores in one database
// do not wake each other. Dialect.Notify uses the same name.
const channel = "latchkey:"

// watchInterval is the time between two checks of the files of a database.
const watchInterval = 20 * time.Millisecond

// Watch implements store.Watcher. Without Dialect.Files and Dialect.Listen the error matches
// errors.ErrUnsupported.
func (s *Store) Watch(ctx context.Context, changed func(head int64)) error {
	switch {
	case s.d.Files != nil:
		return s.watchHead(ctx, changed)
	case s.d.Listen != nil:
		feed, err := s.Feed(ctx, 0, 0)
		if err != nil {
			return err
		}
		name := `"` + strings.ReplaceAll(channel+feed.ID, `"`, `""`) + `"`
		return s.d.Listen(ctx, "LISTEN "+name, func() { changed(0) })
	}
	return fmt.Errorf("%s: watch: %w", s.d.Name, errors.ErrUnsupported)
}

// watchHead reads the head when the files may have changed. It does not hold a connection in
// between, because the pool may have only one.
func (s *Store) watchHead(ctx context.Context, changed func(int64)) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	var seen uint64
	for last := int64(-1); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		before := seen
		if seen = s.d.Files.Stamp(); seen != 0 && seen == before {
			continue
		}
		head, err := s.head(ctx)
		if err != nil {
			return err
		}
		if head != last {
			last = head
			changed(head)
		}
	}
}

func (s *Store) head(ctx context.Context) (head int64, err error) {
	if err := s.usable(); err != nil {
		return 0, err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if err := s.db.QueryRowContext(ctx, s.sql.head).Scan(&head); err != nil {
		return 0, s.fail("read the head", err)
	}
	return head, nil
}

// Announce implements store.Watcher. It does nothing where Watch reads the head.
func (s *Store) Announce(ctx context.Context) error {
	if s.sql.notify == "" {
		return nil
	}
	_, err := s.exec(ctx, "notify", s.sql.notify)
	return err
}
