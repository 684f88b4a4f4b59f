package store

import "context"

// Observer is called at the beginning and at the end of slow operations: changes of keys, calls of
// the database and of Redis, and scrypt. Package store/telemetry provides one for OpenTelemetry
// metrics and traces, and lists the operations. Lookups that are answered from memory are only
// counted, so they cost the same with and without an Observer.
type Observer interface {
	// Begin is called before an operation. Its name has two parts, for example "change.revoke".
	// Begin returns ctx or a context derived from it, for the operation, and a function that is
	// called exactly once, at its end, with its error. Both must not block, retain ctx or panic,
	// and must be safe for concurrent use.
	//
	// The error may contain ids, titles and host names. Report its kind (errors.Is), not its text.
	Begin(ctx context.Context, operation string) (context.Context, func(error))
}
