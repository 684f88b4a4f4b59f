// Package keyauth holds the guards that let requests through by API key, for net/http, chi, gin and
// every router that takes func(http.Handler) http.Handler:
//
//	import keyauth "github.com/latchkey-go/latchkey/middleware"
//
//	mux.Handle("/store/", keyauth.Publishable(keys)(shop))
//	mux.Handle("/api/", keyauth.Secret(keys)(api))
//	mux.Handle("POST /api/orders", keyauth.Secret(keys)(keyauth.Require("orders:write")(orders)))
//
// A handler gets the key by [KeyFrom]. Echo users take [github.com/latchkey-go/latchkey/middleware/echov4]
// or echov5 instead, which have the same functions. A refused request never reaches the handler, and
// what cannot be decided is 503, never 401.
//
// CORS in front of the guard: a CORS preflight is a request without a key, whatever it carries, and
// is refused.
//
// Keys with a rate limit are counted, in this process or by a [Limiter] of your choice (middleware/ratelimit counts in Redis), and
// [Config.MaxFailures] limits how often an address may send bad keys; both answer 429.
package keyauth
