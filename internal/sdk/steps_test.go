package sdk_test

import "fmt"

// step is one call of drive.mjs and the answer that the client must make of it: the JSON, or status
// and message of a FetchError.
type step struct {
	name    string
	answer  string
	plainly string // without MEDUSA_COMPAT, where that differs
}

// steps returns every step in order. apk_1 and pk_1, apk_2 and sk_1 are the keys of the first
// start; the client makes apk_3 with pk_2, and apk_4 with sk_2.
func steps() []step {
	const (
		wholesale    = `{"id":"sc_wholesale","name":"Wholesale"}`
		webShop      = `{"id":"sc_default","name":"Web shop"}`
		unauthorized = "401 Unauthorized"
		missingKey   = "400 Publishable API key required in the request header: x-publishable-api-key. You can manage your keys in settings in the dashboard."
		badKey       = "400 A valid publishable key is required to proceed with the request"
		wrongType    = "403 This type of API key is not accepted here"
	)
	list := func(count, offset, limit int, keys string) string {
		return fmt.Sprintf(`{"api_keys":[%s],"count":%d,"offset":%d,"limit":%d}`, keys, count, offset, limit)
	}
	first := key{id: "apk_1", title: "Web shop", token: "pk_1", typ: "publishable", channels: webShop}
	admin := key{id: "apk_2", title: "First admin key", token: "sk_1", typ: "secret"}
	web := key{id: "apk_3", title: "Café", token: "pk_2", typ: "publishable", by: "apk_2"}
	erp := key{id: "apk_4", title: "ERP", token: "sk_2", typ: "secret", by: "apk_2"}

	return []step{
		{name: "list", answer: list(2, 0, 20, first.shown()+","+admin.shown())},
		{name: "create a publishable key", answer: one(web.created())},
		{name: "retrieve", answer: one(web.shown())},
		{name: "update", answer: one(web.titled("Café 2").shown())},
		{name: "update with fields", answer: `{"api_key":{"id":"apk_3","title":"Café 3"}}`},
		{name: "products without a channel", answer: "400 Publishable key needs to have a sales channel configured"},
		{name: "add a sales channel", answer: one(web.titled("Café 3").in(wholesale).shown())},
		{name: "products", answer: `{"products":[{"id":"prod_beans","title":"Coffee beans, 1 kg","handle":"coffee-beans","price":2200,"currency_code":"eur"},{"id":"prod_crate","title":"Crate of 48 mugs","handle":"crate-of-mugs","price":48000,"currency_code":"eur"}],"count":2}`},
		{name: "products of another channel", answer: "400 Requested sales channel is not part of the publishable key"},
		{name: "products of several channels", answer: "400 Requested sales channel is not part of the publishable key"},
		{name: "a cart in another channel", answer: "400 Provided request body contains errors. Please check the data and retry the request"},
		{name: "regions by fetch", answer: `{"regions":[{"id":"reg_eu","name":"Europe","currency_code":"eur"},{"id":"reg_us","name":"United States","currency_code":"usd"}],"count":2}`},
		{name: "replace a sales channel", answer: one(web.titled("Café 3").in(webShop).shown())},
		{name: "add an unknown sales channel", answer: "400 Sales channels with IDs sc_none do not exist"},
		{name: "delete before revoke", answer: "400 Cannot delete api keys that are not revoked - apk_3"},
		{name: "revoke a publishable key", answer: one(web.titled("Café 3").in(webShop).revokedBy("apk_2").shown())},
		{name: "products with a revoked key", answer: badKey, plainly: unauthorized},
		{name: "delete", answer: `{"id":"apk_3","object":"api_key","deleted":true}`},
		{name: "retrieve after delete", answer: "404 API Key with id: apk_3 was not found"},
		{name: "update after delete", answer: `{}`},
		{name: "delete again", answer: `{"id":"apk_3","object":"api_key","deleted":true}`},

		{name: "create a secret key", answer: one(erp.created())},
		{name: "retrieve itself", answer: one(erp.shown())},
		{name: "sales channels of a secret key", answer: "400 Sales channels can only be associated with publishable API keys"},
		{name: "list by q, type and fields", answer: list(1, 0, 20, `{"title":"ERP","type":"secret","id":"apk_4"}`)},
		{name: "list in order, in part", answer: list(3, 1, 2, `{"title":"First admin key","id":"apk_2"},{"title":"ERP","id":"apk_4"}`)},
		{name: "list by ids", answer: list(1, 0, 20, `{"title":"ERP","id":"apk_4"}`)},
		{name: "list by times", answer: list(0, 0, 20, ``)},
		{name: "list by $or", answer: list(2, 0, 20, `{"title":"ERP","id":"apk_4"},{"title":"Web shop","id":"apk_1"}`)},
		{name: "list what is not revoked", answer: list(3, 0, 20, `{"title":"ERP","id":"apk_4"},{"title":"First admin key","id":"apk_2"},{"title":"Web shop","id":"apk_1"}`)},
		{name: "revoke itself", answer: one(erp.revokedBy("apk_4").shown())},
		{name: "list with a revoked key", answer: unauthorized},
		{name: "revoke a secret key again", answer: "400 There are 1 secret keys that are already revoked."},

		{name: "create without a title", answer: "400 Invalid request: Field 'title' is required"},
		{name: "create with two faults", answer: "400 Invalid request: Expected type: 'string' for field 'title', got: '1'; Expected: 'publishable, secret' for field 'type', but got: 'foo'"},
		{name: "list with a bad limit", answer: "400 Invalid request: Expected type: 'number' for field 'limit', got: 'abc'"},
		{name: "list with an unknown parameter", answer: "400 Invalid request: Unrecognized fields: 'created_by'"},
		{name: "retrieve an unknown key", answer: "404 API Key with id: apk_none was not found"},
		{name: "no secret key", answer: unauthorized},
		{name: "an unknown secret key", answer: unauthorized},
		{name: "a publishable key for the admin", answer: unauthorized, plainly: wrongType},
		{name: "no publishable key", answer: missingKey, plainly: unauthorized},
		{name: "an unknown publishable key", answer: badKey, plainly: unauthorized},
		{name: "a secret key for the store", answer: badKey, plainly: wrongType},
		{name: "a secret key as a Bearer token",
			answer:  "401 A secret API key was passed as a Bearer token. Secret API keys must be sent using HTTP Basic authentication instead (Authorization: Basic <secret-api-key>).",
			plainly: list(3, 0, 20, `{"title":"ERP","id":"apk_4"},{"title":"First admin key","id":"apk_2"},{"title":"Web shop","id":"apk_1"}`)},
	}
}

// key is what an answer shows of a key.
type key struct{ id, title, token, typ, by, revoker, channels string }

func (k key) titled(title string) key    { k.title = title; return k }
func (k key) in(channels string) key     { k.channels = channels; return k }
func (k key) revokedBy(actor string) key { k.revoker = actor; return k }

// created is the key in the answer to create, the only one with the token of a secret key.
func (k key) created() string {
	return fmt.Sprintf(`{"id":"%s","token":"%s","redacted":"%[2]s***","title":"%s","type":"%s","last_used_at":USED,"created_by":"%s","revoked_by":null,"revoked_at":null,"created_at":TIME,"updated_at":TIME,"deleted_at":null}`,
		k.id, k.token, k.title, k.typ, k.by)
}

// shown is the key in every other answer.
func (k key) shown() string {
	token, revoked := k.token, `"revoked_at":null,"revoked_by":null`
	if k.typ == "secret" {
		token = ""
	}
	if k.revoker != "" {
		revoked = `"revoked_at":TIME,"revoked_by":"` + k.revoker + `"`
	}
	return fmt.Sprintf(`{"id":"%s","title":"%s","token":"%s","redacted":"%s***","type":"%s","last_used_at":USED,"updated_at":TIME,"created_at":TIME,"created_by":"%s",%s,"sales_channels":[%s]}`,
		k.id, k.title, token, k.token, k.typ, k.by, revoked, k.channels)
}

func one(key string) string { return `{"api_key":` + key + `}` }
