package main

// kind is why a token is refused.
type kind int

const (
	unknown kind = iota
	revoked
	expired
	malformed
	unknownAgain
	kinds = 5
)

func (k kind) String() string {
	return [kinds]string{"unknown", "revoked", "expired", "malformed", "unknown again"}[k]
}

// pairs are the comparisons. Those that are binding are requirement 7.
var pairs = []struct {
	a, b    kind
	binding bool
}{
	{unknown, revoked, true},
	{unknown, expired, true},
	{revoked, expired, true},
	{unknown, unknownAgain, false},
	{unknown, malformed, false},
}
