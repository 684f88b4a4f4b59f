// A program on the client that ogen makes of openapi.json: its arguments are a server, a secret
// key, and the id of a key with a sales channel. TestGeneratorsReadTheDescription runs it.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/ogen-go/ogen/ogenerrors"

	api "github.com/latchkey-go/latchkey/internal/tools/generated/ogen"
)

type bearer struct{ token string }

func (b bearer) Bearer(context.Context, api.OperationName) (api.Bearer, error) {
	return api.Bearer{Token: b.token}, nil
}

func (bearer) Basic(context.Context, api.OperationName) (api.Basic, error) {
	return api.Basic{}, ogenerrors.ErrSkipClientSecurity
}

func (bearer) Header(context.Context, api.OperationName) (api.Header, error) {
	return api.Header{}, ogenerrors.ErrSkipClientSecurity
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {
	ctx := context.Background()
	client, err := api.NewClient(os.Args[1], bearer{os.Args[2]})
	check(err)

	made, err := client.CreateApiKey(ctx, &api.CreateApiKeyReq{
		Title:     "ERP",
		Type:      api.KeyTypeSecret,
		RateLimit: api.NewOptNilRateLimit(api.RateLimit{Requests: 2147483647, Window: 9223372036}),
	}, api.CreateApiKeyParams{Fields: api.NewOptString("rate_limit")})
	check(err)
	key := made.(*api.CreateApiKeyOK).APIKey
	fmt.Println("created", key.Title, len(key.Token) > 0, key.RevokedAt.Null, key.RateLimit.Value.Window)

	for _, title := range []string{"ERP", "other"} {
		found, err := client.ListApiKeys(ctx, api.ListApiKeysParams{
			CreatedAt: api.NewOptTimeQuery(api.TimeQuery{Gt: api.NewOptString("2000-01-01")}),
			And:       api.NewOptListApiKeysAnd(api.ListApiKeysAnd{"0][title": title}),
		})
		check(err)
		fmt.Println("listed", found.(*api.ListApiKeysOK).Count)
	}

	names := api.NewOptString("sales_channels.name")
	linked, err := client.RetrieveApiKey(ctx, api.RetrieveApiKeyParams{ID: os.Args[3], Fields: names})
	check(err)
	for _, channel := range linked.(*api.RetrieveApiKeyOK).APIKey.SalesChannels {
		fmt.Println("channel", channel.ID, channel.Name.Value)
	}

	none, err := client.RetrieveApiKey(ctx, api.RetrieveApiKeyParams{ID: "apk_x"})
	check(err)
	fmt.Println(none.(*api.NotFound).Type)
}
