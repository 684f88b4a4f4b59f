package soak_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// cluster is a Redis Cluster of three masters without replicas.
type cluster struct {
	t     testing.TB
	nodes []*node
}

func newCluster(t testing.TB) redisSide {
	c := &cluster{t: t}
	ctx := context.Background()
	const slots = 16384
	for n := range 3 {
		one := newNode(t, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "1000",
			"--cluster-require-full-coverage", "no")
		if err := one.rdb.ClusterAddSlotsRange(ctx, n*slots/3, (n+1)*slots/3-1).Err(); err != nil {
			t.Fatal(err)
		}
		c.nodes = append(c.nodes, one)
	}
	for _, other := range c.nodes[1:] {
		host, port, err := net.SplitHostPort(other.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.nodes[0].rdb.ClusterMeet(ctx, host, port).Err(); err != nil {
			t.Fatal(err)
		}
	}
	c.agree()
	return c
}

// agree waits until every node knows where all slots are.
func (c *cluster) agree() {
	c.t.Helper()
	for _, n := range c.nodes {
		for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
			info, err := n.rdb.ClusterInfo(context.Background()).Result()
			if err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_slots_ok:16384") &&
				strings.Contains(info, "cluster_known_nodes:3") {
				break
			}
			if time.Now().After(deadline) {
				c.t.Fatalf("the cluster does not come together: %v\n%s", err, info)
			}
		}
	}
}

func (c *cluster) address(testing.TB, bool) (string, *servers.TCPProxy) {
	var all []string
	for _, n := range c.nodes {
		all = append(all, n.Addr())
	}
	return "redis+cluster://" + strings.Join(all, ","), nil
}

// faults hit the node that has the cache's slot.
func (c *cluster) faults() []fault {
	return []fault{
		{name: "the Cluster's node is killed and restarted empty", loses: true, do: func(w *world) {
			n := c.holder()
			n.Kill()
			w.hold(w.lasting())
			n.Restart()
			c.agree()
		}},
		{name: "the Cluster's node hangs", do: func(w *world) {
			n := c.holder()
			n.Pause()
			w.hold(w.lasting())
			n.Resume()
			c.agree()
		}},
		{name: "the Cluster's node is flushed", loses: true, do: func(w *world) {
			n := c.holder()
			for range 5 {
				_ = n.rdb.FlushAll(context.Background()).Err()
				w.hold(w.lasting() / 5)
			}
		}},
		{name: "another node of the Cluster is killed", do: func(w *world) {
			held := c.holder()
			for _, n := range c.nodes {
				if n == held {
					continue
				}
				n.Kill()
				w.hold(w.lasting())
				n.Restart()
				c.agree()
				return
			}
		}},
	}
}

// holder returns the node with the watermark. A cache writes it within one repair.
func (c *cluster) holder() *node {
	c.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		for _, n := range c.nodes {
			if n.mark() != "" {
				return n
			}
		}
	}
	c.t.Fatal("no node of the cluster has a watermark")
	return nil
}
