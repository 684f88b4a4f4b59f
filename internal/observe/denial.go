package observe

// Denial is why a guard refused a request although nothing is wrong with its key, or without
// looking at one.
type Denial int

// The denials. store.Stats has a field for each.
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
