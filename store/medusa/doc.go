// Package medusa imports the API keys of a live Medusa database (https://medusajs.com, version 2).
// No token changes. Publishable keys work as before. Secret keys, of which Medusa stores only a
// scrypt hash, authenticate with their old token at once and get a fast lookup id at their first
// use (see store.ImportKey).
//
//	summary, err := medusa.Import(ctx, medusaDB, keys, medusa.Options{DryRun: true})
//
// From the shell: go run ./admin/cmd/latchkey import.
package medusa
