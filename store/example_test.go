package store_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// The five recipes of Medusa's guide to its API Key Module: create, list, revoke, verify and roll.

func ExampleKeys_Create() {
	ctx := store.WithActor(context.Background(), "user_123")
	keys := store.New(store.NewMemory())
	defer keys.Close(ctx)

	made, err := keys.Create(ctx, store.NewKey{Type: store.Publishable, Title: "Web shop"})
	if err != nil {
		log.Fatal(err)
	}
	token := made.Token.Reveal() // of a secret key: the only time it is there
	fmt.Println(made.Key.Title, made.Key.Type, made.Key.CreatedBy, len(token))
	// Output: Web shop publishable user_123 52
}

func ExampleKeys_ListAndCount() {
	ctx := context.Background()
	keys := store.New(store.NewMemory())
	defer keys.Close(ctx)
	for _, title := range []string{"ERP", "Warehouse", "Old ERP"} {
		if _, err := keys.Create(ctx, store.NewKey{Type: store.Secret, Title: title}); err != nil {
			log.Fatal(err)
		}
	}

	found, count, err := keys.ListAndCount(ctx, store.Query{
		Filter: store.Filter{Search: "erp", Types: []store.Type{store.Secret}},
		Order:  store.Order{By: store.ByTitle, Desc: true},
		Limit:  1,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(found[0].Title, count)
	// Output: Old ERP 2
}

func ExampleKeys_Revoke() {
	ctx := context.Background()
	keys := store.New(store.NewMemory())
	defer keys.Close(ctx)
	made, err := keys.Create(ctx, store.NewKey{Type: store.Secret, Title: "ERP"})
	if err != nil {
		log.Fatal(err)
	}

	if _, err := keys.RevokeAt(ctx, made.Key.ID, keys.Now().Add(24*time.Hour)); err != nil { // works until then
		log.Fatal(err)
	}
	if _, err := keys.Revoke(ctx, made.Key.ID); err != nil { // now
		log.Fatal(err)
	}
	_, err = keys.Authenticate(ctx, made.Token.Reveal())
	fmt.Println(err, errors.Is(err, store.ErrUnauthenticated))
	// Output: revoked true
}

func ExampleKeys_Authenticate() {
	ctx := context.Background()
	keys := store.New(store.NewMemory())
	defer keys.Close(ctx)
	made, err := keys.Create(ctx, store.NewKey{Type: store.Secret, Title: "ERP", Scopes: []string{"orders:read"}})
	if err != nil {
		log.Fatal(err)
	}

	key, err := keys.Authenticate(ctx, made.Token.Reveal(), store.Secret)
	switch {
	case errors.Is(err, store.ErrUnauthenticated):
		fmt.Println("401")
	case errors.Is(err, store.ErrWrongType):
		fmt.Println("403")
	case err != nil:
		fmt.Println("503: nothing is known about the token")
	default:
		fmt.Println(key.Title, key.Allows("orders:read"), key.Allows("orders:write"))
	}
	// Output: ERP true false
}

func ExampleKeys_Roll() {
	ctx := context.Background()
	keys := store.New(store.NewMemory())
	defer keys.Close(ctx)
	old, err := keys.Create(ctx, store.NewKey{Type: store.Secret, Title: "ERP"})
	if err != nil {
		log.Fatal(err)
	}

	next, err := keys.Roll(ctx, old.Key.ID, store.RollOptions{Grace: time.Hour}) // the old token works for another hour
	if err != nil {
		log.Fatal(err)
	}
	_, oldErr := keys.Authenticate(ctx, old.Token.Reveal())
	_, newErr := keys.Authenticate(ctx, next.Token.Reveal())
	fmt.Println(next.Key.Title, next.Key.RolledFrom == old.Key.ID, oldErr, newErr)
	// Output: ERP true <nil> <nil>
}

// A path in an access log: somebody has put his key where its id belongs.
func ExampleRedactTokens() {
	fmt.Println(store.RedactTokens("GET /admin/api-keys/sk_6c1f0e5d4c3b2a1908f7e6d5c4b3a2910f0e1d2c3b4a5968778695a4b3c2dbf7/events"))
	// Output: GET /admin/api-keys/sk_6c1***bf7/events
}
