package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/latchkey-go/latchkey/store"
)

// defaultChannel is the sales channel of the first publishable key; see schema.sql.
const defaultChannel = "sc_default"

// makeFirstKeys makes a publishable key and, unless there is an ADMIN_KEY, a secret one, if no key
// has ever been made in this store. Otherwise it returns nothing. However many instances start at
// once, one of them makes the keys.
func makeFirstKeys(ctx context.Context, o store.Options, keys store.Store, withSecret bool) ([]store.Made, error) {
	first, err := o.New(onlyFirst{keys})
	if err != nil {
		return nil, err
	}
	wanted := []store.NewKey{{Type: store.Publishable, Title: "Web shop", SalesChannelIDs: []string{defaultChannel}}}
	if withSecret {
		wanted = append(wanted, store.NewKey{Type: store.Secret, Title: "First admin key"})
	}
	made, err := first.CreateMany(ctx, wanted)
	if errors.Is(err, errNotFirst) {
		return nil, nil
	}
	return made, err
}

// onlyFirst is a Store that lets only the very first change happen. The question is asked inside
// the change, which holds the feed's lock, so that two instances cannot both be told yes. Of the
// event log at least the newest line stays for ever, so that the answer does not become yes again.
type onlyFirst struct{ store.Store }

// errNotFirst is a refusal and no fault: metrics tell it as one.
var errNotFirst = store.Errorf(store.ErrNotAllowed, "keys have been made before")

func (s onlyFirst) Change(ctx context.Context, actor store.Actor, fn func(store.Tx) error) (store.Change, error) {
	return s.Store.Change(ctx, actor, func(tx store.Tx) error {
		past, err := tx.Events(ctx, store.EventQuery{Limit: 1})
		if err != nil {
			return err
		}
		if len(past) > 0 {
			return errNotFirst
		}
		return fn(tx)
	})
}

// printFirstKeys shows the new keys, this once, with commands to try them. It goes to standard
// output, where the log does not go: tokens have no place in a log.
func printFirstKeys(w io.Writer, base string, made []store.Made, medusa bool) error {
	publishable, secret := made[0], "$ADMIN_KEY"
	if len(made) > 1 {
		secret = made[1].Token.Reveal()
	}
	refused := "401"
	if medusa {
		refused = "400"
	}
	_, err := strings.NewReplacer(
		"{PK}", publishable.Token.Reveal(), "{SK}", secret, "{PK_ID}", publishable.Key.ID, "{BASE}", base, "{REFUSED}", refused,
	).WriteString(w, firstKeys)
	if err != nil {
		return fmt.Errorf("print the first keys: %w", err)
	}
	return nil
}

// firstKeys can be pasted as a whole. Its comments hold no quotes and no parentheses, which some
// shells would not take for comments.
const firstKeys = `
# First start: these keys have been made. They are shown now and never again. Paste what follows into another terminal.

export SHOP={BASE}
export PK={PK}
export SK={SK}

# without a key: refused, {REFUSED}
curl -i -w '\n' $SHOP/store/products

# with the publishable key: the products of its sales channel
curl -w '\n' $SHOP/store/products -H "x-publishable-api-key: $PK"

# with the secret key: place an order, list the orders
curl -w '\n' $SHOP/api/orders -u $SK: -H content-type:application/json -d '{"product_id":"prod_mug","quantity":2}'
curl -w '\n' $SHOP/api/orders -u $SK:

# create a key that may only read orders: its token is shown once, in this answer
curl -w '\n' $SHOP/admin/api-keys -u $SK: -H content-type:application/json -d '{"title":"ERP","type":"secret","scopes":["orders:read"]}'

# list the keys, verify a token
curl -w '\n' $SHOP/admin/api-keys -u $SK:
curl -w '\n' $SHOP/admin/api-keys/verify -u $SK: -H content-type:application/json -d '{"token":"'$PK'"}'

# roll the publishable key: the new token is in the answer, the old one works for another hour
curl -w '\n' $SHOP/admin/api-keys/{PK_ID}/roll -u $SK: -H content-type:application/json -d '{"revoke_in":3600}'

# revoke the old one now, and see it refused, {REFUSED}
curl -w '\n' $SHOP/admin/api-keys/{PK_ID}/revoke -u $SK: -X POST
curl -i -w '\n' $SHOP/store/products -H "x-publishable-api-key: $PK"

`
