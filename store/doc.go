// Package store is the domain of Latchkey: what an API key is, who may use it, and what can be done with it.
// Start here. Everything that decides about a key is in this package; the folders beside it either keep
// keys (store/sqlite, store/postgres), make reading them fast (cache), or carry the answers over HTTP
// (middleware, admin).
//
// A [Key] is created, listed, revoked, rolled and checked through the verbs of [Keys], which works over
// anything that fulfils the [Store] contract:
//
//	keys := store.New(store.NewMemory())
//	made, err := keys.Create(ctx, store.NewKey{Type: store.Secret, Title: "ERP"})
//	...
//	key, err := keys.Authenticate(ctx, made.Token.Reveal())
//
// Read the files in this order: key.go, token.go, sealer.go, store.go, keys.go.
package store
