package cache

import (
	"context"
	"errors"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// watchLoop wakes the poll when the store reports a new event, in processes without Redis. The next
// poll finds what it misses.
func (c *Cache) watchLoop(ctx context.Context) {
	w, ok := c.rows.(store.Watcher)
	if !ok || c.l2 != nil || c.o.ChangesOnly {
		return
	}
	var state health
	pause := time.Second
	for {
		watching, stop := context.WithCancel(ctx)
		go func() {
			select {
			case <-c.resubscribe: // another feed may have another channel
				stop()
			case <-watching.Done():
			}
		}()
		err := w.Watch(watching, func(head int64) {
			pause = time.Second
			if e := c.epoch.Load(); e == nil || head == 0 || head != e.requiredHead.Load() {
				kick(c.pollKicks)
			}
		})
		again := watching.Err() != nil
		stop()
		switch {
		case ctx.Err() != nil, errors.Is(err, errors.ErrUnsupported):
			return
		case again:
			continue
		case !sleepContext(ctx, pause):
			return
		}
		// While the feed is out of reach, the poll logs it.
		if e := c.epoch.Load(); e != nil && e.age(c.clock.now()) <= c.o.Lease && pause > time.Second {
			state.report(c.o.Logger, "watching the store for changes", err)
		}
		pause = min(2*pause, time.Minute)
	}
}
