package store

import "context"

// Observer is called at the beginning and at the end of operations that take a while: changes of keys,
// calls of the database and of Redis, and scrypt. Package store/telemetry has one that makes metrics
// and traces through OpenTelemetry, and the list of the operations. Lookups that are answered from
// memory are only counted, so that they cost the same with and without an Observer.
type Observer interface {
	// Begin is called before the operation, whose name has two parts, as in "change.revoke". It
	// returns the context for the operation, ctx or a descendant of it, and a function that is called
	// exactly once, with the error of the operation, when it has ended. Neither may block, keep ctx,
	// or panic. Both are called from many goroutines.
	//
	// The error may hold ids, titles and the names of hosts: report its kind (errors.Is), not its
	// text.
	Begin(ctx context.Context, operation string) (context.Context, func(error))
}
