package cache

import (
	"context"
	"encoding/binary"

	"github.com/maypok86/otter/v2"

	"github.com/latchkey-go/latchkey/store"
)

// l1Key is the place of a key in the memory of the process: the first eight bytes of its lookup id.
// They are as random as the whole id and cheaper to hash, compare and store. Two keys may share a
// place; then each lookup of one of them reads the store (see matches).
type l1Key uint64

func l1KeyOf(id store.LookupID) l1Key { return l1Key(binary.LittleEndian.Uint64(id[:])) }

// l1Entry is a key in the memory of the process. It has its own expiry time: otter's would cost 32
// bytes a key and a tenth of a warm request.
type l1Entry struct {
	record  store.Record // without its proof, which has been verified
	head    int64        // the event up to which the record was current when loaded
	expires int64        // by the coarse clock, after L1TTL; it does not affect correctness
}

// initL1Entry fills *k with a record that is current up to head. *k may hold the record already.
// The error matches store.ErrForged.
func (c *Cache) initL1Entry(k *l1Entry, r *store.Record, head int64) error {
	k.head, k.expires = head, c.coarse.Load()+int64(c.o.L1TTL)
	return c.o.Sealer.VerifyInto(&k.record, r)
}

// matches reports whether the entry is of the key with that lookup id, not of another key in its
// place.
func (k *l1Entry) matches(id store.LookupID) bool { return k.record.Key.LookupID == id }

// evict removes an entry unless a newer one has taken its place.
func (e *epoch) evict(s l1Key, k *l1Entry) {
	e.keys.ComputeIfPresent(s, func(there *l1Entry) (*l1Entry, otter.ComputeOp) {
		if there == k {
			return nil, otter.InvalidateOp
		}
		return there, otter.CancelOp
	})
}

// sweepLoop evicts expired entries that are not read any more, so that no entry stays in memory
// longer than 2 × L1TTL.
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
