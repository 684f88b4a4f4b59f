package soak_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// standalone is a Redis of one server, with a proxy for each instance.
type standalone struct {
	t      testing.TB
	server *node  // its client goes past all proxies
	dumped string // the watermark in the dump
}

func newStandalone(t testing.TB) redisSide {
	return &standalone{t: t, server: newNode(t)}
}

func (s *standalone) address(t testing.TB, direct bool) (string, *servers.TCPProxy) {
	if direct {
		return "redis://" + s.server.Addr(), nil
	}
	p := servers.Proxy(t, s.server.Addr())
	return "redis://" + p.Addr(), p
}

func (s *standalone) faults() []fault {
	return append(redisPathFaults(), []fault{
		{name: "Redis is killed and restarted empty", loses: true, do: func(w *world) {
			s.server.Kill()
			w.hold(w.lasting())
			s.server.Restart()
		}},
		{name: "Redis hangs", do: func(w *world) {
			s.server.Pause()
			w.hold(w.lasting())
			s.server.Resume()
		}},
		{name: "Redis is flushed", loses: true, do: func(w *world) {
			for range 5 {
				s.flush()
				w.hold(w.lasting() / 5)
			}
		}},
		{name: "Redis loses single keys, the watermark first", loses: true, do: func(w *world) {
			for range 5 {
				s.evict()
				w.hold(w.lasting() / 5)
			}
		}},
		{name: "Redis is restarted from an older dump", loses: true, do: func(w *world) {
			s.save(w)
			w.hold(w.lasting() / 2)
			s.killAfterDump()
			s.server.Restart()
			w.hold(w.lasting() / 2)
			s.forgetDump(w)
		}},
		{name: "Redis is away for a while and comes back with an older dump", loses: true, do: func(w *world) {
			s.save(w)
			w.hold(w.lasting() / 2)
			s.killAfterDump()
			w.hold(w.lasting())
			s.server.Restart()
			s.forgetDump(w)
		}},
	}...)
}

func (s *standalone) flush() { _ = s.server.rdb.FlushAll(context.Background()).Err() }

// evict removes the watermark, which no other key needs to survive, and leaves the records.
func (s *standalone) evict() {
	marks, _ := s.server.rdb.Keys(context.Background(), "*:wm").Result()
	if len(marks) > 0 {
		_ = s.server.rdb.Del(context.Background(), marks...).Err()
	}
}

// save writes what Redis has now to its disk, where it lies until the next restart.
func (s *standalone) save(w *world) {
	// In strict mode's mixtures Redis may be hung by now: then there is no dump, and it will come
	// back empty.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.dumped = s.server.mark()
	if err := s.server.rdb.Save(ctx).Err(); err != nil {
		w.t.Logf("no dump: %v", err)
	}
}

// killAfterDump ends Redis when it has more than its dump.
func (s *standalone) killAfterDump() {
	s.t.Helper()
	if mark := s.server.mark(); mark == s.dumped || s.dumped == "" {
		s.t.Errorf("the dump is not older: its watermark is %q, Redis has %q", s.dumped, mark)
	}
	s.server.Kill()
}

// forgetDump makes sure that the next restart is from nothing.
func (s *standalone) forgetDump(w *world) {
	if err := os.Remove(filepath.Join(s.server.Dir(), "dump.rdb")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.t.Error(err)
	}
}
