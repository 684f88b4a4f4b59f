package store

import "time"

// Query selects keys. The zero value selects all of them, in the order of their ids (that is, by creation).
type Query struct {
	Filter Filter
	Order  Order
	Offset int
	// Limit is the greatest number of keys returned; 0 means all, a negative number none (for a count alone).
	Limit int
	// AfterID, when set, continues a listing in the default order after that id, at a cost that does not grow with
	// the position (keyset paging). Medusa's Offset is kept beside it.
	AfterID string
	// MaxBytes bounds what is read: when the keys take more bytes of memory, about, the answer is
	// an error that matches ErrInvalid, and the rest is not read. 0: no bound. (Limit bounds how
	// many keys are returned, not how long they are.)
	MaxBytes int
}

// Filter is Medusa's filter language as a value, and a little more: everything set must hold. In lists, nil means "do not care" and an empty list
// matches nothing.
type Filter struct {
	// Search is Medusa's q: split at white space, every word must occur in the title or the redacted form, in any
	// case. No character of it is special.
	Search string
	// IDs, Titles, Tokens: exactly one of these. Tokens compares publishable tokens; a secret's finds nothing.
	IDs, Titles, Tokens []string
	Types               []Type
	CreatedBy           []string // not in Medusa
	// Descriptions: exactly one of these; "" finds keys that have none. Not in Medusa.
	Descriptions []string

	CreatedAt, UpdatedAt, RevokedAt, DeletedAt []TimeCondition
	ExpiresAt, LastUsedAt                      []TimeCondition // not in Medusa

	And, Or []Filter // And: all must match. Or: nil does not care, else one must match.
}

// filterTexts are the lists of texts in a filter, and what of a key they hold.
var filterTexts = [...]struct {
	list   func(*Filter) *[]string
	of     func(*Key) string
	needed bool // a key without the text is never meant
}{
	{list: func(f *Filter) *[]string { return &f.IDs }, of: func(k *Key) string { return k.ID }},
	{list: func(f *Filter) *[]string { return &f.Titles }, of: func(k *Key) string { return k.Title }},
	{list: func(f *Filter) *[]string { return &f.Descriptions }, of: func(k *Key) string { return k.Description }},
	{list: func(f *Filter) *[]string { return &f.Tokens }, of: func(k *Key) string { return k.Token }, needed: true},
	{list: func(f *Filter) *[]string { return &f.CreatedBy }, of: func(k *Key) string { return k.CreatedBy }},
}

// TimeCondition compares a time column. As in SQL, a column that is not set fits no comparison; IsNull and NotNull ask
// for that itself.
type TimeCondition struct {
	Op Op
	// Times holds one time for Eq, Ne, Lt, Lte, Gt, Gte, any number for In and NotIn, none for IsNull and NotNull.
	Times []time.Time
}

// Op is a comparison of a TimeCondition. Its zero value is no operation and matches nothing.
type Op string

// The comparisons of a TimeCondition.
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

// Order is how a listing is sorted. As in PostgreSQL, rows without a value come last ascending and first descending; equals
// are ordered by id.
type Order struct {
	By   Column // zero: ByID
	Desc bool
}

// Column is what keys can be sorted by.
type Column string

// The columns that keys can be sorted by; the same as in Medusa.
const (
	ByID         Column = "id"
	ByTitle      Column = "title"
	ByType       Column = "type"
	ByToken      Column = "token" // publishable tokens; secrets count as ""
	ByRedacted   Column = "redacted"
	ByCreatedAt  Column = "created_at"
	ByCreatedBy  Column = "created_by"
	ByUpdatedAt  Column = "updated_at"
	ByRevokedAt  Column = "revoked_at"
	ByLastUsedAt Column = "last_used_at"
)
