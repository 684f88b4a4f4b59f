// Package admin is the JSON API that manages keys: Medusa's /admin/api-keys, in its wire format,
// over [store.Keys].
//
// [New] returns one net/http handler that works with any router and guards itself: even behind
// another guard it serves a request only with a secret key, or when [Options.Actor] names a member
// of the staff.
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
//	mux.Handle("/admin/", http.StripPrefix("/admin", admin.New(keys, admin.Options{})))
//	echoauth.Mount(e.Group("/admin"), admin.New(keys, admin.Options{})) // Echo, v4 or v5
package admin
