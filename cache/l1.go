package cache

import (
	"context"
	"encoding/binary"

	"github.com/maypok86/otter/v2"

	"github.com/latchkey-go/latchkey/store"
)

// slot is where a key stands in the memory of the process: the first eight bytes of its lookup id, which are as random as all of it and
// cost less to hash, to compare and to keep. Two keys may share a slot; one of them is then asked for each time (see kept.is).
type slot uint64

func slotOf(id store.LookupID) slot { return slot(binary.LittleEndian.Uint64(id[:])) }

// kept is what the process keeps of a key. It runs out by a time of its own: otter's, which is kept in a wheel of timers, costs 32 bytes a key
// and a tenth of a warm request.
type kept struct {
	record store.Record // without its proof, which has been checked
	head   int64        // the event up to which the record was right when it was loaded
	until  int64        // when it runs out, by the coarse clock; L1TTL, which has nothing to do with correctness
}

// keep makes *k what is kept of a record, which may stand there already, as of an event. Its error matches store.ErrForged.
func (c *Cache) keep(k *kept, r *store.Record, head int64) error {
	k.head, k.until = head, c.coarse.Load()+int64(c.o.L1TTL)
	return c.o.Sealer.VerifyInto(&k.record, r)
}

// is reports whether the key is the one with that lookup id, and not another one of its slot.
func (k *kept) is(id store.LookupID) bool { return k.record.Key.LookupID == id }

// drop forgets what has run out, unless something newer has come into its slot.
func (e *epoch) drop(s slot, k *kept) {
	e.keys.ComputeIfPresent(s, func(there *kept) (*kept, otter.ComputeOp) {
		if there == k {
			return nil, otter.InvalidateOp
		}
		return there, otter.CancelOp
	})
}

// sweepLoop frees what has run out and is not asked for any more, so that nothing is in memory for longer than two lifetimes.
func (c *Cache) sweepLoop(ctx context.Context) {
	for idle(ctx, c.o.L1TTL) {
		if e := c.epoch.Load(); e != nil {
			e.sweep(c.coarse.Load())
		}
	}
}

func (e *epoch) sweep(now int64) {
	for s, k := range e.keys.All() {
		if k.until <= now {
			e.drop(s, k)
		}
	}
}
