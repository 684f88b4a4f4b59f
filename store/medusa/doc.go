// Package medusa takes over the API keys of a live Medusa database (https://medusajs.com, version 2). Nobody's token changes:
// publishable keys work as before, and secret keys, of which Medusa stores scrypt only, authenticate with their old token at once and are
// given a fast lookup id by their first use (see store.ImportKey).
//
//	summary, err := medusa.Import(ctx, medusaDB, keys, medusa.Options{DryRun: true})
//
// From the shell: go run ./admin/cmd/latchkey import.
package medusa
