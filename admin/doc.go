// Package admin is the JSON API that manages keys: Medusa's /admin/api-keys, in its wire format,
// over [store.Keys].
//
// [Handler] is plain net/http and works with any router; [Mount] adds it to Echo. Both need a guard
// that authenticates (package middleware has some) but do not trust it: they serve a request only
// if its context holds a secret key or [Config.Actor] names a member of the staff.
//
// Answers and errors follow Medusa 2.21 to the byte. Attributes that Medusa does not have, such as
// scopes, are shown only on request: ?fields=+scopes. Further routes roll and verify keys, show the
// key of the request and let it revoke itself, revoke all keys that a filter matches, and show a
// key's audit trail and the keys to review. /openapi.json describes all of them in OpenAPI 3.1; it
// needs no key.
//
// /ui is a web page that uses the same routes. Its users sign in with a secret key, which stays in
// the page's memory.
//
//	e := echo.New()
//	admin.Mount(e.Group("/admin"), keys, keyauth.Secret(keys))
package admin
