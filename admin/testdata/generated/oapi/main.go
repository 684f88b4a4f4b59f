// A program on the client that oapi-codegen makes of openapi.json: its arguments are a server, a
// secret key, and the id of a key with a sales channel. TestGeneratorsReadTheDescription runs it.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	api "github.com/latchkey-go/latchkey/internal/tools/generated/oapi"
)

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {
	ctx := context.Background()
	authorize := func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+os.Args[2])
		return nil
	}
	client, err := api.NewClientWithResponses(os.Args[1], api.WithRequestEditorFn(authorize))
	check(err)

	fields := "rate_limit"
	erp := api.CreateApiKeyJSONRequestBody{
		Title:     "ERP",
		Type:      api.Secret,
		RateLimit: &api.RateLimit{Requests: 2147483647, Window: 9223372036},
	}
	made, err := client.CreateApiKeyWithResponse(ctx, &api.CreateApiKeyParams{Fields: &fields}, erp)
	check(err)
	key := made.JSON200.ApiKey
	fmt.Println("created", key.Title, len(key.Token) > 0, key.RevokedAt == nil, key.RateLimit.Window)

	since := "2000-01-01"
	for _, title := range []string{"ERP", "other"} {
		found, err := client.ListApiKeysWithResponse(ctx, &api.ListApiKeysParams{
			CreatedAt: &api.TimeQuery{Gt: &since},
			And:       &map[string]string{"0][title": title},
		})
		check(err)
		fmt.Println("listed", found.JSON200.Count)
	}

	fields = "sales_channels.name"
	linked, err := client.RetrieveApiKeyWithResponse(ctx, os.Args[3], &api.RetrieveApiKeyParams{Fields: &fields})
	check(err)
	for _, channel := range *linked.JSON200.ApiKey.SalesChannels {
		fmt.Println("channel", channel.Id, *channel.Name)
	}

	none, err := client.RetrieveApiKeyWithResponse(ctx, "apk_x", nil)
	check(err)
	fmt.Println(none.JSON404.Type)
}
