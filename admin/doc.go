// Package admin is the JSON API that manages keys: Medusa's /admin/api-keys, in its wire format, over [store.Keys].
//
// [New] returns one net/http handler that runs behind any router and guards itself: whatever stands
// in front of it, a request is served only with a secret key or for a member of the staff named by
// [Options.Actor]. What an answer holds and how errors read follows Medusa 2.21 to the
// byte; attributes that Medusa does not have, scopes for example, are taken in bodies and shown
// only when asked for: ?fields=+scopes. Routes that Medusa does not have roll and verify keys, tell
// who asks, let a key end itself, end all keys that a filter matches, and show a key's audit trail
// and which keys deserve a look. All of them are described in OpenAPI 3.1 at /openapi.json, which
// needs no key.
//
// People manage keys at /ui: a page that is part of the program and asks the same routes. They sign in to it with a secret key, which
// stays in the page's memory.
//
//	mux.Handle("/admin/", http.StripPrefix("/admin", admin.New(keys, admin.Options{})))
//	echoauth.Mount(e.Group("/admin"), admin.New(keys, admin.Options{})) // Echo, v4 or v5
package admin
