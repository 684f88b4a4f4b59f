// Package telemetry makes metrics and traces of Latchkey through OpenTelemetry's API. Which SDK is
// behind that, and where it sends what it is given, is the program's affair.
//
//	t, err := telemetry.New(nil, nil) // nil: the global providers of otel
//	...
//	cached, err := cache.Options{Observer: t}.New(telemetry.Observed(rows, t), rdb)
//	keys, err := store.Options{Observer: t}.New(cached)
//	err = t.Watch(keys, cached, limits)
//	...
//	defer t.Close()
//
// A warm authentication is counted and nothing else: the counts are read when they are collected.
// Durations are measured, and spans made, of calls of Redis and of the store, of changes and of
// scrypt. The spans are children of the request's, so trace the server too (otelhttp, otelecho);
// what no trace has led to (the reading of the change feed several times a second, repairs of
// Redis) makes none. When several requests wait for one load of a key, the load belongs to the
// trace of the first.
//
// Labels come from short lists that are fixed here. Tokens, their digests, ids, titles and the
// texts of errors are in neither metrics nor spans. docs/operations.md lists the metrics, and what
// to alert on.
package telemetry
