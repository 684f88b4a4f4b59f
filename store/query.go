package store

import "time"

// Query selects keys. The zero value selects all keys, in the order of their ids, which is the
// order of creation.
type Query struct {
	Filter Filter
	Order  Order
	Offset int
	// Limit is the maximum number of keys. 0: no maximum. Negative: no keys (for a count only).
	Limit int
	// AfterID, when set, continues a listing in the default order after that id (keyset paging).
	// Its cost does not depend on the position, unlike that of Medusa's Offset.
	AfterID string
	// MaxBytes limits how much is read. When the keys take more bytes of memory, approximately, the
	// error matches ErrInvalid and reading stops. 0: no limit. (Limit restricts the number of keys,
	// not their size.)
	MaxBytes int
}

// Filter is Medusa's filter language as a value, with some additions. All fields that are set must
// match. A nil list matches everything, an empty list matches nothing.
type Filter struct {
	// Search is Medusa's q. It is split at white space; every word must occur in the title or the
	// redacted form, in any case. No character has a special meaning.
	Search string
	// IDs, Titles, Tokens: equal to one of these. Tokens compares publishable tokens only; a secret
	// token matches nothing.
	IDs, Titles, Tokens []string
	Types               []Type
	CreatedBy           []string // not in Medusa
	// Descriptions: equal to one of these. "" matches keys without a description. Not in Medusa.
	Descriptions []string

	CreatedAt, UpdatedAt, RevokedAt, DeletedAt []TimeCondition
	ExpiresAt, LastUsedAt                      []TimeCondition // not in Medusa

	And, Or []Filter // And: all must match. Or: one must match; nil matches everything.
}

// filterTexts are the lists of texts in a filter, each with the text of a key that it is compared
// with.
var filterTexts = [...]struct {
	list   func(*Filter) *[]string
	of     func(*Key) string
	needed bool // "" never matches
}{
	{list: func(f *Filter) *[]string { return &f.IDs }, of: func(k *Key) string { return k.ID }},
	{list: func(f *Filter) *[]string { return &f.Titles }, of: func(k *Key) string { return k.Title }},
	{list: func(f *Filter) *[]string { return &f.Descriptions }, of: func(k *Key) string { return k.Description }},
	{list: func(f *Filter) *[]string { return &f.Tokens }, of: func(k *Key) string { return k.Token }, needed: true},
	{list: func(f *Filter) *[]string { return &f.CreatedBy }, of: func(k *Key) string { return k.CreatedBy }},
}

// TimeCondition compares a time column. As in SQL, a column that is not set matches no comparison;
// use IsNull and NotNull for that.
type TimeCondition struct {
	Op Op
	// Times holds one time for Eq, Ne, Lt, Lte, Gt and Gte, any number for In and NotIn, and no
	// time for IsNull and NotNull.
	Times []time.Time
}

// Op is the operator of a TimeCondition. The zero value is not an operator: a query with it is
// ErrInvalid.
type Op string

// The operators of a TimeCondition.
const (
	Eq      Op = "eq"
	Ne      Op = "ne"
	In      Op = "in"
	NotIn   Op = "nin"
	Gt      Op = "gt"
	Gte     Op = "gte"
	Lt      Op = "lt"
	Lte     Op = "lte"
	IsNull  Op = "null"
	NotNull Op = "notnull"
)

// Order is the order of a listing. As in PostgreSQL, rows without a value come last when ascending
// and first when descending. Equal rows are ordered by id.
type Order struct {
	By   Column // zero: ByID
	Desc bool
}

// Column is a column by which keys can be sorted.
type Column string

// The columns by which keys can be sorted; the same as in Medusa.
const (
	ByID         Column = "id"
	ByTitle      Column = "title"
	ByType       Column = "type"
	ByToken      Column = "token" // publishable tokens; "" for secret keys
	ByRedacted   Column = "redacted"
	ByCreatedAt  Column = "created_at"
	ByCreatedBy  Column = "created_by"
	ByUpdatedAt  Column = "updated_at"
	ByRevokedAt  Column = "revoked_at"
	ByLastUsedAt Column = "last_used_at"
)
