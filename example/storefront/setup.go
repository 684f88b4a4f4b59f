package main

import (
	"context"
	"errors"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// setUp prepares the database, as soon as there is one: the program has been serving since before.
// It returns nil when that is done or ctx has ended, and an error for what will not heal.
func (a *app) setUp(ctx context.Context) error {
	told := ""
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := a.prepare(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case a.rows.Err() != nil:
			return a.rows.Err()
		case err == nil:
			a.prepared.Store(true)
			a.log.Info("ready: the database is there and up to date")
			return nil
		case !errors.Is(err, store.ErrUnavailable):
			return err
		}
		if err.Error() != told {
			told = err.Error()
			a.log.Warn("the database cannot be used yet; trying on", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// prepare does everything that needs a database, and may be done any number of times, by any number
// of instances.
func (a *app) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := a.rows.Ready(ctx); err != nil {
		return err
	}
	if err := a.shop.create(ctx); err != nil {
		return err
	}
	if err := a.makeFirstKeys(ctx); err != nil {
		return err
	}
	if err := a.importAdminKey(ctx); err != nil {
		return err
	}
	return a.checkProofs(ctx)
}

// makeFirstKeys makes and prints them, if they are the first. It goes on when the program must
// stop meanwhile: keys that have been made and not shown are lost.
func (a *app) makeFirstKeys(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	made, err := makeFirstKeys(ctx, a.policies(), a.cached, a.config.adminKey == "")
	switch {
	case errors.Is(err, store.ErrUnavailable):
		a.doubtful = true // they may have been made all the same: nobody knows how the commit ended
		return err
	case err != nil:
		return err
	case len(made) > 0:
		return printFirstKeys(a.stdout, a.base, made, a.config.medusa)
	case a.doubtful && a.config.adminKey == "":
		a.log.Warn("the first keys have been made, and not shown if it was this instance that lost its connection meanwhile: to make a way in, start with ADMIN_KEY set to a secret token of yours")
	}
	return nil
}

// importAdminKey gives ADMIN_KEY its place in the store, once. A key that has been deleted or
// revoked since stays so.
func (a *app) importAdminKey(ctx context.Context) error {
	if a.config.adminKey == "" {
		return nil
	}
	key, imported, err := a.keys.ImportToken(ctx, a.config.adminKey, store.NewKey{Title: "ADMIN_KEY"})
	switch {
	case err != nil:
		return err
	case imported:
		a.log.Info("ADMIN_KEY imported", "key_id", key.ID)
	case key == nil:
		a.log.Warn("ADMIN_KEY has been deleted and does not come back: set another")
	case key.Check(time.Now()) != nil:
		a.log.Warn("ADMIN_KEY cannot be used any more: set another", "key_id", key.ID, "reason", key.Check(time.Now()))
	}
	return nil
}

// checkProofs brings keys and peppers together where they do not fit yet.
func (a *app) checkProofs(ctx context.Context) error {
	if a.config.sealer == nil {
		a.log.Warn("no LATCHKEY_PEPPERS: whoever can write to the database or to Redis can make keys")
		return nil
	}
	if a.config.reseal != resealNothing {
		resealed, refused, err := a.keys.Reseal(ctx, a.config.reseal == resealAll, nil)
		if err != nil {
			return err
		}
		a.log.Info("keys have been sealed with the current pepper", "sealed", resealed, "refused", refused)
	}
	// Ids sort by age, and keys without a proof are those from before there were peppers: the first
	// page tells.
	oldest, err := a.rows.List(ctx, store.Query{Limit: 100})
	if err != nil {
		return err
	}
	for _, r := range oldest {
		if r.Evidence.Value().PepperID == "" {
			a.log.Error("keys made without peppers are refused: if you know that all of them are yours, start once with LATCHKEY_RESEAL=adopt", "for_example", r.Key.ID)
			break
		}
	}
	return nil
}
