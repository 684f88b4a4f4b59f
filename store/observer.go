package store

import (
	"context"
	"errors"
	"strings"
)

// Observer is told of work that takes a while, where it begins and how it ended: for metrics and traces. Package store/telemetry has one
// that makes both through OpenTelemetry. Lookups that are answered from memory are never told, so that they cost what they cost without
// one; they are counted (see [Metric]).
type Observer interface {
	// Begin is called before the work. It returns the context in which the work is done, ctx or a descendant of it, and what is called
	// exactly once when it is over, with the error that it ended with. Neither may block, keep ctx, or panic. Both are called from many goroutines.
	//
	// The error may hold ids, titles and the names of hosts: tell its kind (errors.Is), not its text.
	Begin(ctx context.Context, w Work) (context.Context, func(error))
}

// Work names what an Observer is told of, in two parts: "change.revoke", "store.lookup". There are no others than these.
type Work string

// Changes, as those who ask for them see them: from the call until no process answers from before the change, or the error.
const (
	WorkCreate  Work = "change.create"
	WorkUpdate  Work = "change.update"
	WorkRevoke  Work = "change.revoke"
	WorkRoll    Work = "change.roll"
	WorkDelete  Work = "change.delete"
	WorkLink    Work = "change.link_sales_channels"
	WorkImport  Work = "change.import"
	WorkUpgrade Work = "change.upgrade_imported_keys" // in the background, after the first use of an imported key
	WorkReseal  Work = "change.reseal"
	WorkLeak    Work = "change.report_leaks"
)

// Calls of the store itself, below every cache (see [Observed]).
const (
	WorkStoreLookup  Work = "store.lookup"
	WorkStoreChange  Work = "store.change" // one transaction, the waiting for those before it included
	WorkStoreGet     Work = "store.get"
	WorkStoreList    Work = "store.list"
	WorkStoreCount   Work = "store.count"
	WorkStoreTouch   Work = "store.touch" // last-used times
	WorkStoreEvents  Work = "store.events"
	WorkStorePrune   Work = "store.prune"
	WorkStoreFeed    Work = "store.feed"
	WorkStoreJoin    Work = "store.join"
	WorkStoreLeave   Work = "store.leave"
	WorkStoreMembers Work = "store.members"

	WorkStoreAcknowledge Work = "store.acknowledge" // that changes have been handled
)

// Calls of Redis, as the cache sees them: with the waiting for their turn, and no longer than it waits.
const (
	WorkRedisRead    Work = "redis.read"    // of a record, for a lookup
	WorkRedisWrite   Work = "redis.write"   // of a record, in the background
	WorkRedisMark    Work = "redis.mark"    // up to which event Redis is right
	WorkRedisAdvance Work = "redis.advance" // by a change
	WorkRedisReset   Work = "redis.reset"   // all records are dropped
	WorkRedisPublish Work = "redis.publish" // telling other processes of a change, or having heard of one
)

// WorkScrypt is one computation for the token of an imported Medusa key.
const WorkScrypt Work = "scrypt.derive"

// Works returns all there are, for Observers that prepare themselves.
func Works() []Work {
	return []Work{
		WorkCreate, WorkUpdate, WorkRevoke, WorkRoll, WorkDelete, WorkLink, WorkImport, WorkUpgrade, WorkReseal, WorkLeak,
		WorkStoreLookup, WorkStoreChange, WorkStoreGet, WorkStoreList, WorkStoreCount, WorkStoreTouch, WorkStoreEvents, WorkStorePrune,
		WorkStoreFeed, WorkStoreJoin, WorkStoreLeave, WorkStoreMembers, WorkStoreAcknowledge,
		WorkRedisRead, WorkRedisWrite, WorkRedisMark, WorkRedisAdvance, WorkRedisReset, WorkRedisPublish,
		WorkScrypt,
	}
}

// Parts returns "change" and "revoke" for "change.revoke".
func (w Work) Parts() (part, name string) {
	part, name, _ = strings.Cut(string(w), ".")
	return part, name
}

// Begin tells o, which may be nil, and returns what [Observer.Begin] does.
func Begin(ctx context.Context, o Observer, w Work) (context.Context, func(error)) {
	if o == nil {
		return ctx, ignore
	}
	return o.Begin(ctx, w)
}

func ignore(error) {}

// errPanic is what work ended with that panicked.
var errPanic = errors.New("panic")

// changeWork names the change of that verb.
func changeWork(verb string) Work { return Work("change." + strings.ReplaceAll(verb, " ", "_")) }
