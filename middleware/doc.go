// Package middleware holds the guards that let requests through by API key. It is imported as keyauth:
//
//	import keyauth "github.com/latchkey-go/latchkey/middleware"
//
//	shop := e.Group("/store", keyauth.Publishable(keys))
//	shop.GET("/products", products) // keyauth.Key(c).SalesChannelIDs
//	api := e.Group("/api", keyauth.Secret(keys))
//	api.POST("/orders", orders, keyauth.Require("orders:write"))
//
// For net/http and every router that takes func(http.Handler) http.Handler there is [Config.Handler]. Both doors are thin: what
// they ask is decided in guard.go, and how each refusal is told stands in one table in answer.go (Medusa's words for it in
// medusa.go). A refused request never reaches the handler, and what cannot be decided is 503, never 401.
//
// CORS in front of the guard: a CORS preflight is a request without a key, whatever it carries, and
// is refused.
//
// Keys with a rate limit are counted, in this process or by a [Limiter] of your choice (middleware/ratelimit counts in Redis), and
// [Config.MaxFailures] limits how often an address may send bad keys; both answer 429.
package middleware
