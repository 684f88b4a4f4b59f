// Package medusa reads requests and writes answers with the semantics of Medusa's server: the query
// language of the npm module qs, JavaScript's values and numbers, the body parsers of Express, the
// timestamps of PostgreSQL, and the messages of Medusa's validation. It knows nothing of API keys.
package medusa
