// Package store is the domain of Latchkey: what an API key is, who may use it, and what can be done
// with it. Start here: all decisions about a key are in this package. Packages store/sqlite and
// store/postgres store keys, package cache makes reading them fast, and packages middleware and
// admin provide HTTP.
//
// [Keys] creates, lists, revokes, rolls and authenticates a [Key]. It works with every
// implementation of [Store]:
//
//	keys := store.New(store.NewMemory())
//	made, err := keys.Create(ctx, store.NewKey{Type: store.Secret, Title: "ERP"})
//	...
//	key, err := keys.Authenticate(ctx, made.Token.Reveal())
//
// Read the files in this order: key.go, token.go, sealer.go, store.go, keys.go.
package store
