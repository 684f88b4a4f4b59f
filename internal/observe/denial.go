package observe

// Denial is why a guard refused a request although nothing is wrong with its key, or without
// looking at one.
type Denial int

// The denials, in the order of the fields of store.Denied.
const (
	NoCredential Denial = iota
	Conflict
	Address
	RateLimited
	FailuresLimited
	PlainHTTP
	ForeignOrigin
	Denials // how many there are
)
