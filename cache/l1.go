package cache

import (
	"context"
	"encoding/binary"

	"github.com/maypok86/otter/v2"

	"github.com/latchkey-go/latchkey/store"
)

// l1Key is where a key stands in the memory of the process: the first eight bytes of its lookup id, which are as random as all of it and
// cost less to hash, to compare and to keep. Two keys may share a slot; one of them is then asked for each time (see matches).
type l1Key uint64

func l1KeyOf(id store.LookupID) l1Key { return l1Key(binary.LittleEndian.Uint64(id[:])) }

// l1Entry is what the process keeps of a key. It runs out by a time of its own: otter's, which is kept in a wheel of timers, costs 32 bytes a key
// and a tenth of a warm request.
type l1Entry struct {
	record  store.Record // without its proof, which has been checked
	head    int64        // the event up to which the record was right when it was loaded
	expires int64        // when it runs out, by the coarse clock; L1TTL, which has nothing to do with correctness
}

// initL1Entry makes *k what is kept of a record, which may stand there already, as of an event. Its error matches store.ErrForged.
func (c *Cache) initL1Entry(k *l1Entry, r *store.Record, head int64) error {
	k.head, k.expires = head, c.coarse.Load()+int64(c.o.L1TTL)
	return c.o.Sealer.VerifyInto(&k.record, r)
}

// matches reports whether the key is the one with that lookup id, and not another one of its slot.
func (k *l1Entry) matches(id store.LookupID) bool { return k.record.Key.LookupID == id }

// evict removes what has run out, unless something newer has come into its slot.
func (e *epoch) evict(s l1Key, k *l1Entry) {
	e.keys.ComputeIfPresent(s, func(there *l1Entry) (*l1Entry, otter.ComputeOp) {
		if there == k {
			return nil, otter.InvalidateOp
		}
		return there, otter.CancelOp
	})
}

// sweepLoop frees what has run out and is not asked for any more, so that nothing is in memory for longer than two lifetimes.
func (c *Cache) sweepLoop(ctx context.Context) {
	for sleepContext(ctx, c.o.L1TTL) {
		if e := c.epoch.Load(); e != nil {
			e.sweep(c.coarse.Load())
		}
	}
}

func (e *epoch) sweep(now int64) {
	for s, k := range e.keys.All() {
		if k.expires <= now {
			e.evict(s, k)
		}
	}
}
