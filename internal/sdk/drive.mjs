// Medusa's own client, used as a shop and its back office use it: each step prints one line of JSON,
// {"step":…,"answer":…} or {"step":…,"error":{"status":…,"message":…}}. sdk_test.go starts it and knows what every line must say.
//
// The environment names the server (BASE) and its first keys (PK, SK).

import { createRequire } from "node:module";

// The CommonJS build: Node 18, which is Debian 12's, cannot import the other one, whose files end in .js without being marked as modules.
const { default: Medusa, FetchError } = createRequire(import.meta.url)("@medusajs/js-sdk");

const { BASE: baseUrl, PK: publishableKey, SK: apiKey } = process.env;
const office = (apiKey) => new Medusa({ baseUrl, apiKey });
const shop = (publishableKey) => new Medusa({ baseUrl, publishableKey });
const { apiKey: keys } = office(apiKey).admin;

async function step(name, call) {
  let line;
  try {
    line = { step: name, answer: await call() };
  } catch (e) {
    if (!(e instanceof FetchError)) throw e; // no connection, or an answer that is no JSON: nothing to go on with
    line = { step: name, error: { status: e.status, message: e.message } };
  }
  console.log(JSON.stringify(line));
  return line.answer;
}

// A publishable key's life.
await step("list", () => keys.list());
const { api_key: web } = await step("create a publishable key", () => keys.create({ title: "Café", type: "publishable" }));
await step("retrieve", () => keys.retrieve(web.id));
await step("update", () => keys.update(web.id, { title: "Café 2" }));
await step("update with fields", () => keys.update(web.id, { title: "Café 3" }, { fields: "id,title" }));
await step("products without a channel", () => shop(web.token).store.product.list());
await step("add a sales channel", () => keys.batchSalesChannels(web.id, { add: ["sc_wholesale"] }));
await step("products", () => shop(web.token).store.product.list());
await step("products of another channel", () => shop(web.token).store.product.list({ sales_channel_id: "sc_default" }));
await step("products of several channels", () => shop(web.token).store.product.list({ sales_channel_id: ["sc_wholesale", "sc_default"] }));
await step("a cart in another channel", () => shop(web.token).store.cart.create({ sales_channel_id: "sc_default" }));
await step("regions by fetch", () => shop(web.token).client.fetch("/store/regions"));
await step("replace a sales channel", () => keys.batchSalesChannels(web.id, { add: ["sc_default"], remove: ["sc_wholesale"] }));
await step("add an unknown sales channel", () => keys.batchSalesChannels(web.id, { add: ["sc_none"] }));
await step("delete before revoke", () => keys.delete(web.id));
await step("revoke a publishable key", () => keys.revoke(web.id));
await step("products with a revoked key", () => shop(web.token).store.product.list());
await step("delete", () => keys.delete(web.id));
await step("retrieve after delete", () => keys.retrieve(web.id));
await step("update after delete", () => keys.update(web.id, { title: "gone" }));
await step("delete again", () => keys.delete(web.id));

// A secret key's life.
const { api_key: erp } = await step("create a secret key", () => keys.create({ title: "ERP", type: "secret" }, { fields: "id" }));
const its = office(erp.token).admin.apiKey;
await step("retrieve itself", () => its.retrieve(erp.id));
await step("sales channels of a secret key", () => keys.batchSalesChannels(erp.id, { add: ["sc_default"] }));
await step("list by q, type and fields", () => keys.list({ q: "eRp", type: "secret", fields: "title,type" }));
await step("list in order, in part", () => keys.list({ limit: 2, offset: 1, order: "-title", fields: "title" }));
await step("list by ids", () => keys.list({ id: [erp.id, web.id], fields: "title" }));
await step("list by times", () => keys.list({ created_at: { $gt: "2020-01-01T00:00:00Z", $lt: "2021-01-01" }, fields: "title" }));
await step("list by $or", () => keys.list({ $or: [{ title: "ERP" }, { type: "publishable" }], order: "title", fields: "title" }));
await step("list what is not revoked", () => keys.list({ revoked_at: { $eq: "null" }, fields: "title", order: "title" }));
await step("revoke itself", () => its.revoke(erp.id));
await step("list with a revoked key", () => its.list());
await step("revoke a secret key again", () => keys.revoke(erp.id));

// What clients do wrong.
await step("create without a title", () => keys.create({ type: "secret" }));
await step("create with two faults", () => keys.create({ title: 1, type: "foo" }));
await step("list with a bad limit", () => keys.list({ limit: "abc" }));
await step("list with an unknown parameter", () => keys.list({ created_by: "me" }));
await step("retrieve an unknown key", () => keys.retrieve("apk_none"));
await step("no secret key", () => new Medusa({ baseUrl }).admin.apiKey.list());
await step("an unknown secret key", () => office("sk_" + "0".repeat(64)).admin.apiKey.list());
await step("a publishable key for the admin", () => office(publishableKey).admin.apiKey.list());
await step("no publishable key", () => new Medusa({ baseUrl }).store.product.list());
await step("an unknown publishable key", () => shop("pk_" + "0".repeat(64)).store.product.list());
await step("a secret key for the store", () => shop(apiKey).store.product.list());

// A secret key where a user's JWT belongs.
const user = new Medusa({ baseUrl, auth: { type: "jwt", jwtTokenStorageMethod: "memory" } });
await user.client.setToken(apiKey);
await step("a secret key as a Bearer token", () => user.admin.apiKey.list({ fields: "title", order: "title" }));
