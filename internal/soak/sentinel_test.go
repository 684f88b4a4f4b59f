package soak_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// sentinels is a primary and a replica, watched by three Sentinels, which tell the instances where
// the primary is.
type sentinels struct {
	t                testing.TB
	primary, replica *node
	watchers         []*redis.SentinelClient
	addresses        []string
}

// node is one Redis server and a client for it.
type node struct {
	*servers.RedisServer
	rdb *redis.Client
}

func newNode(t testing.TB, args ...string) *node {
	s := servers.NewRedis(t, args...)
	n := &node{s, redis.NewClient(&redis.Options{Addr: s.Addr(), Protocol: 2})}
	t.Cleanup(func() { _ = n.rdb.Close() })
	return n
}

// mark returns the cache's watermark as the server has it, "" when it has none or does not answer.
func (n *node) mark() string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	names, err := n.rdb.Keys(ctx, "*:wm").Result()
	if err != nil || len(names) == 0 {
		return ""
	}
	value, _ := n.rdb.Get(ctx, names[0]).Result()
	return value
}

const master = "soak"

// downAfter is how long the Sentinels wait before they call a primary dead. On a slow machine a
// lower one makes fail-overs of its own, which is allowed, and only disturbs the order of the
// script.
const downAfter = time.Second

func newSentinels(t testing.TB) redisSide {
	s := &sentinels{t: t, primary: newNode(t), replica: newNode(t)}
	ctx := context.Background()
	s.follow(ctx, s.replica, s.primary)
	program, err := exec.LookPath("redis-server")
	if err != nil {
		if program, err = exec.LookPath("valkey-server"); err != nil {
			t.Fatal(err) // servers has found one
		}
	}
	host, port, err := net.SplitHostPort(s.primary.Addr())
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		dir := t.TempDir()
		address := servers.FreeAddress(t)
		_, own, _ := net.SplitHostPort(address)
		config := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nlogfile %s\n"+
			"sentinel monitor %s %s %s 2\nsentinel down-after-milliseconds %s %d\nsentinel failover-timeout %s 3000\n",
			own, dir, filepath.Join(dir, "log"), master, host, port, master, downAfter.Milliseconds(), master)
		file := filepath.Join(dir, fmt.Sprintf("sentinel-%d.conf", n))
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		launch(t, exec.Command(program, file, "--sentinel"))
		watcher := redis.NewSentinelClient(&redis.Options{Addr: address, Protocol: 2, MaxRetries: -1})
		t.Cleanup(func() { _ = watcher.Close() })
		s.watchers = append(s.watchers, watcher)
		s.addresses = append(s.addresses, address)
	}
	for _, watcher := range s.watchers {
		s.eventually("the Sentinels know one another and the replica", func() bool {
			others, err := watcher.Sentinels(ctx, master).Result()
			replicas, rerr := watcher.Replicas(ctx, master).Result()
			return err == nil && rerr == nil && len(others) == 2 && len(replicas) == 1
		})
	}
	return s
}

func (s *sentinels) eventually(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("still not: %s", what)
		}
	}
}

// follow makes one server the replica of another and waits until it has everything.
func (s *sentinels) follow(ctx context.Context, replica, primary *node) {
	s.t.Helper()
	host, port, err := net.SplitHostPort(primary.Addr())
	if err != nil {
		s.t.Fatal(err)
	}
	s.eventually("the replica follows", func() bool {
		if err := replica.rdb.ReplicaOf(ctx, host, port).Err(); err != nil {
			return false
		}
		info, err := replica.rdb.Info(ctx, "replication").Result()
		return err == nil && strings.Contains(info, "role:slave") && strings.Contains(info, "master_port:"+port+"\r") &&
			strings.Contains(info, "master_link_status:up")
	})
}

// The instances reach Redis directly: Sentinels tell the primary's own address.
func (s *sentinels) address(testing.TB, bool) (string, *servers.TCPProxy) {
	return "redis+sentinel://" + strings.Join(s.addresses, ",") + "/" + master, nil
}

func (s *sentinels) faults() []fault {
	return []fault{
		{name: "fail-over to a replica that lost the newest writes", loses: true, do: s.failOver},
	}
}

// deafen keeps the replica from hearing its primary: it is given a password that the primary does
// not have. The Sentinels see a replica whose link is down, which for some seconds is good enough
// to be promoted.
func (s *sentinels) deafen(ctx context.Context) error {
	return errors.Join(
		s.replica.rdb.ConfigSet(ctx, "masteruser", "nobody").Err(),
		s.replica.rdb.ConfigSet(ctx, "masterauth", "wrong").Err(),
		s.replica.rdb.ClientKillByFilter(ctx, "TYPE", "master").Err(),
	)
}

func (s *sentinels) failOver(w *world) {
	ctx := context.Background()
	if err := s.deafen(ctx); err != nil {
		s.t.Fatal(err)
	}
	// What is changed now only the primary hears.
	w.hold(w.lasting())
	info, err := s.replica.rdb.Info(ctx, "replication").Result()
	if err != nil || !strings.Contains(info, "master_link_status:down") {
		s.t.Fatalf("the replica still hears its primary: %v\n%s", err, info)
	}
	if had, has := s.primary.mark(), s.replica.mark(); had == has {
		s.t.Fatalf("the replica has lost nothing: both have the watermark %q", had)
	}
	s.primary.Kill()
	s.eventually("the Sentinels promote the replica", func() bool {
		info, err := s.replica.rdb.Info(ctx, "replication").Result()
		return err == nil && strings.Contains(info, "role:master")
	})
	w.hold(w.lasting())
	if err := errors.Join(s.replica.rdb.ConfigSet(ctx, "masteruser", "").Err(), s.replica.rdb.ConfigSet(ctx, "masterauth", "").Err()); err != nil {
		s.t.Fatal(err)
	}
	s.primary, s.replica = s.replica, s.primary
	s.replica.Restart()
	s.follow(ctx, s.replica, s.primary)
}
