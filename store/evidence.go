package store

import "slices"

// Evidence proves that a record is genuine. It is separate from the key, so that a cache can omit
// it (see [Sealer.VerifyInto]). A nil *Evidence is the same as an empty one.
type Evidence struct {
	// Proof is the Sealer's MAC over everything that gives the key power. PepperID is the id of its
	// pepper. Both are empty without peppers.
	Proof    []byte
	PepperID string
	// ProofNames are the names of the extensions that the proof covers, in the order of their table
	// (see extensions.go). nil: a proof of level 1, without extensions.
	ProofNames []string
	// LegacySalt and LegacyHash belong to an imported Medusa secret key: the hexadecimal text of
	// the salt, and the 64 bytes of scrypt. The proof covers them. They are empty in all other
	// keys, and after the key has been upgraded.
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

// SetEvidence sets the evidence of the record. An empty one is stored as nil.
func (r *Record) SetEvidence(e Evidence) {
	r.Evidence = nil
	if len(e.Proof) > 0 || e.PepperID != "" || e.ProofNames != nil || e.isLegacy() {
		own := e // allocates only here
		r.Evidence = &own
	}
}

func (e Evidence) isLegacy() bool { return e.LegacySalt != "" || len(e.LegacyHash) > 0 }

func (e Evidence) clone() Evidence {
	e.Proof, e.LegacyHash = append([]byte(nil), e.Proof...), append([]byte(nil), e.LegacyHash...)
	e.ProofNames = slices.Clone(e.ProofNames)
	return e
}
