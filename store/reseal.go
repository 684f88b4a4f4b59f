package store

import (
	"context"
	"errors"
	"fmt"
)

const resealBatch = 100

// Reseal gives every key a proof with the current pepper, without its token, and returns how many
// keys it changed. After that, older peppers can be removed from the configuration. With adopt,
// keys without any proof get one too. Use adopt only on the day on which peppers are first
// configured, because it also seals rows that an attacker has written. Keys whose proof does not
// verify are not changed; refused is their number. progress, if not nil, is called after each batch
// with the number of keys read so far.
//
// It works in small changes. It can be stopped and run again.
func (k *Keys) Reseal(ctx context.Context, adopt bool, progress func(done int)) (resealed, refused int, err error) {
	if k.o.Sealer == nil {
		return 0, 0, Errorf(ErrInvalid, "store: there are no peppers to reseal with")
	}
	after, done := "", 0
	for {
		page, err := k.store.List(ctx, Query{AfterID: after, Limit: resealBatch})
		if err != nil {
			return resealed, refused, fmt.Errorf("store: reseal: %w", err)
		}
		if len(page) == 0 {
			return resealed, refused, nil
		}
		var stale []string
		for _, r := range page {
			after = r.Key.ID
			if r.Evidence.Value().PepperID != k.o.Sealer.PepperID() {
				stale = append(stale, r.Key.ID)
			} else if err := k.o.Sealer.Verify(r); errors.Is(err, ErrNewerRecord) {
				return resealed, refused, fmt.Errorf("store: reseal: %w", err)
			} else if err != nil {
				refused++
			}
		}
		n, bad, err := k.resealSome(ctx, stale, adopt)
		resealed, refused, done = resealed+n, refused+bad, done+len(page)
		if err != nil {
			return resealed, refused, err
		}
		if progress != nil {
			progress(done)
		}
	}
}

func (k *Keys) resealSome(ctx context.Context, ids []string, adopt bool) (resealed, refused int, err error) {
	if len(ids) == 0 {
		return 0, 0, nil
	}
	err = k.change(ctx, "reseal", func(tx Tx) error {
		if _, _, err := k.targets(ctx, tx); err != nil {
			return err
		}
		found, err := tx.Find(ctx, Query{Filter: Filter{IDs: ids}}) // proofs are verified below
		if err != nil {
			return err
		}
		for _, r := range found {
			e := r.Evidence.Value()
			unsealed := e.PepperID == "" && len(e.Proof) == 0 && e.ProofNames == nil
			if err := k.o.Sealer.Verify(r); errors.Is(err, ErrNewerRecord) {
				return err
			} else if err != nil && !(unsealed && adopt) {
				refused++
				continue
			}
			r.verifiedBy.Store(k.o.Sealer) // also for an adopted key, so that save seals it
			if err := k.save(ctx, tx, r, Resealed, k.now(), nil); err != nil {
				return err
			}
			resealed++
		}
		return nil
	})
	if err != nil {
		return 0, refused, err
	}
	return resealed, refused, nil
}
