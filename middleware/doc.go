// Package keyauth provides guards that authenticate requests by API key, for net/http, chi, gin and
// every router that accepts func(http.Handler) http.Handler:
//
//	import keyauth "github.com/latchkey-go/latchkey/middleware"
//
//	mux.Handle("/store/", keyauth.Publishable(keys)(shop))
//	mux.Handle("/api/", keyauth.Secret(keys)(api))
//	mux.Handle("POST /api/orders", keyauth.Secret(keys)(keyauth.Require("orders:write")(orders)))
//
// A handler gets the key from [KeyFrom]. For Echo use
// [github.com/latchkey-go/latchkey/middleware/echov4] or echov5, which have the same functions. A
// refused request does not reach the handler. A key that cannot be checked is 503, never 401.
//
// Put CORS in front of the guard: a CORS preflight counts as a request without a key and is
// refused.
//
// The requests of keys with a rate limit are counted, in this process or by another [Limiter]
// (middleware/ratelimit counts in Redis). [Config.MaxFailures] limits how often an address may send
// bad keys. Both return 429.
package keyauth
