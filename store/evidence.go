package store

import "slices"

// Evidence is what proves a record, apart from the key so that a cache can do without it (see [Sealer.VerifyInto]). A nil *Evidence is the
// same as an empty one.
type Evidence struct {
	// Proof is Sealer's MAC over everything that gives the key its power, PepperID the pepper it was made with.
	// Empty without peppers.
	Proof    []byte
	PepperID string
	// ProofNames are the names of the extensions that the proof covers, in the order of their table
	// (see sealer.go). nil: none, a proof of level 1.
	ProofNames []string
	// LegacySalt and LegacyHash are those of an imported Medusa secret key: the salt's hexadecimal text, and the 64 bytes of
	// scrypt; the proof covers them. Empty in all other keys, and once the key has been upgraded.
	LegacySalt string
	LegacyHash []byte
}

// Value returns what e points to, or the empty Evidence for nil.
func (e *Evidence) Value() Evidence {
	if e == nil {
		return Evidence{}
	}
	return *e
}

// SetEvidence gives the record this evidence; an empty one is stored as nil.
func (r *Record) SetEvidence(e Evidence) {
	r.Evidence = nil
	if len(e.Proof) > 0 || e.PepperID != "" || e.ProofNames != nil || e.isLegacy() {
		own := e // allocates here only
		r.Evidence = &own
	}
}

func (e Evidence) isLegacy() bool { return e.LegacySalt != "" || len(e.LegacyHash) > 0 }

func (e Evidence) clone() Evidence {
	e.Proof, e.LegacyHash = append([]byte(nil), e.Proof...), append([]byte(nil), e.LegacyHash...)
	e.ProofNames = slices.Clone(e.ProofNames)
	return e
}
