package store

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"
	"sync"
)

const minPepperBytes = 32

// MACSize is the length in bytes of every MAC of a Sealer, proofs included.
const MACSize = sha256.Size

// Sealer proves that a record was written by a program that knows a pepper, a secret that is in the
// configuration and not in the database. So rows that were written or altered in the database or in
// Redis cannot authenticate. A nil Sealer is valid, creates no proofs and accepts every record.
type Sealer struct {
	peppers    []*pepper // current first
	extensions []extension
}

type pepper struct {
	id     string
	hashes sync.Pool // of *keyedHash
}

// NewSealer returns a Sealer for peppers, the current one first. New proofs use the current pepper;
// old ones are verified with the pepper that they name. Without peppers it returns a nil Sealer. A
// pepper that is shorter than 32 bytes, looks like a placeholder or occurs twice is an error that
// matches ErrInvalid and does not contain it.
func NewSealer(peppers []string) (*Sealer, error) {
	if len(peppers) == 0 {
		return nil, nil
	}
	s := &Sealer{extensions: extensions}
	for i, p := range peppers {
		if err := checkPepper(p); err != nil {
			return nil, Errorf(ErrInvalid, "pepper %d of %d %s", i+1, len(peppers), err)
		}
		sum := sha256.Sum256([]byte("latchkey/pepper-id/1\x00" + p))
		next := &pepper{id: hex.EncodeToString(sum[:6])}
		next.hashes.New = func() any { return &keyedHash{Hash: hmac.New(sha256.New, []byte(p))} }
		if slices.ContainsFunc(s.peppers, func(other *pepper) bool { return other.id == next.id }) {
			return nil, Errorf(ErrInvalid, "pepper %d of %d is the same as an earlier one", i+1, len(peppers))
		}
		s.peppers = append(s.peppers, next)
	}
	return s, nil
}

func checkPepper(p string) error {
	if len(p) < minPepperBytes {
		return fmt.Errorf("is %d bytes long; at least %d are needed (try: openssl rand -base64 32)", len(p), minPepperBytes)
	}
	lower := strings.ToLower(p)
	for _, word := range []string{"changeme", "change-me", "change_me", "placeholder", "replace-me", "replace_me", "replaceme", "your-pepper", "your_pepper"} {
		if strings.Contains(lower, word) {
			return fmt.Errorf("looks like a placeholder (it contains %q)", word)
		}
	}
	if why := placeholder(p); why != "" {
		return fmt.Errorf("looks like a placeholder (%s)", why)
	}
	return nil
}

// PepperID returns the id of the current pepper, as it is in records; "" for a nil Sealer. It does
// not reveal the pepper.
func (s *Sealer) PepperID() string {
	if s == nil {
		return ""
	}
	return s.peppers[0].id
}

// Seal sets the record's proof with the current pepper. A record must be sealed again after every
// change. A nil Sealer removes the proof, because it would become stale.
//
// The proof covers the extensions that are set if ProofNames is not nil (an earlier proof covered
// extensions) or if the record sets an extension that level 1 does not have. Otherwise it is a
// proof of level 1.
func (s *Sealer) Seal(r *Record) {
	e := r.Evidence.Value()
	if s == nil {
		e.Proof, e.PepperID, e.ProofNames = nil, "", nil
		r.SetEvidence(e)
		return
	}
	names, needed := setExtensions(s.extensions, &r.Key)
	if needed || e.ProofNames != nil {
		e.ProofNames = names
	}
	p := s.peppers[0]
	proof := p.prove(r, s.extensions, e.ProofNames != nil)
	e.Proof, e.PepperID = proof[:], p.id
	r.SetEvidence(e)
	r.verifiedBy.Store(s)
}

// Verify returns nil if the record's proof is valid. Otherwise the error matches ErrForged, or
// ErrNewerRecord and ErrUnavailable when the proof covers an extension that this program does not
// know. The result is stored in the record, so call Verify before the record is shared. Verifying
// the same record again is free.
//
// A nil Sealer verifies no proof, but refuses a record with an unknown extension too.
func (s *Sealer) Verify(r *Record) error {
	if s == nil {
		return knowsAll(extensions, r)
	}
	if r.verifiedBy.Load() == s {
		return nil
	}
	if err := knowsAll(s.extensions, r); err != nil {
		return err
	}
	e := r.Evidence.Value()
	if s.coversWhatIsSet(r, e.ProofNames) {
		for _, p := range s.peppers {
			if p.id != e.PepperID {
				continue
			}
			if proof := p.prove(r, s.extensions, e.ProofNames != nil); hmac.Equal(proof[:], e.Proof) {
				r.verifiedBy.Store(s)
				return nil
			}
		}
	}
	return errForged(r)
}

func errForged(r *Record) error {
	return fmt.Errorf("store: key %s (pepper %q): %w", r.Key.ID, r.Evidence.Value().PepperID, ErrForged)
}

// coversWhatIsSet reports whether names are exactly the extensions that are set in r. A missing or
// additional name is a forgery.
func (s *Sealer) coversWhatIsSet(r *Record, names []string) bool {
	extended, next := names != nil, 0
	for _, x := range s.extensions {
		switch {
		case !x.set(&r.Key), !extended && x.always:
		case next == len(names) || names[next] != x.name:
			return false
		default:
			next++
		}
	}
	return next == len(names)
}

// VerifyInto verifies r and copies it into *kept without its proof, for caches in memory. kept is a
// new record or r itself. *kept counts as verified for this Sealer only: for others, and after a
// Clone, it is forged. So do not send or store it. It shares the key's lists with r. On an error
// *kept is not changed.
//
// The evidence stays if it is needed later: for an imported key that has not been upgraded, and
// when s is nil and has verified nothing.
func (s *Sealer) VerifyInto(kept, r *Record) error {
	if err := s.Verify(r); err != nil {
		return err
	}
	evidence := r.Evidence
	if s != nil && !evidence.Value().isLegacy() {
		evidence = nil
	}
	kept.Key, kept.Evidence = r.Key, evidence
	kept.verifiedBy.Store(s)
	return nil
}

// AppendMAC appends to dst a MAC over purpose and message with the current pepper. Other packages
// use it to protect what they store or send. A nil Sealer appends nothing.
func (s *Sealer) AppendMAC(dst []byte, purpose string, message []byte) []byte {
	if s == nil {
		return dst
	}
	mac := s.peppers[0].mac(purpose, message)
	return append(dst, mac[:]...)
}

// CheckMAC reports whether mac is the MAC of AppendMAC with any of the peppers. A nil Sealer
// accepts only an empty MAC.
func (s *Sealer) CheckMAC(mac []byte, purpose string, message []byte) bool {
	if s == nil {
		return len(mac) == 0
	}
	ok := 0
	for _, p := range s.peppers {
		expected := p.mac(purpose, message)
		ok |= subtle.ConstantTimeCompare(expected[:], mac)
	}
	return ok == 1
}

func (p *pepper) mac(purpose string, message []byte) [MACSize]byte {
	t := newTranscript("latchkey/mac/1")
	defer t.release()
	t.text(purpose)
	t.bytes(message)
	return p.sum(t)
}

// prove returns the MAC over everything that gives a record power. Titles and other descriptions
// are left out: if they were covered, every manual repair would look like a forgery.
//
// With extended, the name and the value of each extension that is set follow. So proofs from before
// an extension existed stay valid, and an extension cannot be added to or removed from a row.
func (p *pepper) prove(r *Record, extensions []extension, extended bool) [MACSize]byte {
	k := &r.Key
	t := newTranscript("latchkey/proof/1")
	defer t.release()
	t.bytes(k.LookupID[:])
	t.text(k.ID)
	t.text(string(k.Type))
	t.list(k.Scopes)
	t.list(k.SalesChannelIDs)
	t.number(int64(len(k.AllowedCIDRs)))
	for _, cidr := range k.AllowedCIDRs {
		t.text(cidr.String())
	}
	t.number(int64(k.RateLimit.Requests))
	t.number(int64(k.RateLimit.Window))
	t.time(k.ExpiresAt)
	t.time(k.RevokedAt)
	if k.Revoked {
		t.number(1)
	} else {
		t.number(0)
	}
	e := r.Evidence.Value()
	t.text(e.LegacySalt)
	t.bytes(e.LegacyHash)
	if extended {
		for _, x := range extensions {
			if x.set(k) {
				t.text(x.name)
				x.value(t, k)
			}
		}
	}
	return p.sum(t)
}

// sum returns the MAC over a transcript. It reuses the keyed state of the hash, which costs as much
// to compute as the MAC of a short message.
func (p *pepper) sum(t *transcript) [MACSize]byte {
	h := p.hashes.Get().(*keyedHash)
	defer p.hashes.Put(h)
	h.Reset()
	h.Write(t.b)
	h.Sum(h.sum[:0])
	return h.sum
}

// keyedHash is HMAC-SHA-256 with a pepper as its key, and space for its result.
type keyedHash struct {
	hash.Hash
	sum [MACSize]byte
}

// transcript is an encoding in which different lists of values give different bytes.
type transcript struct{ b []byte }

var transcripts = sync.Pool{New: func() any { return new(transcript) }}

func newTranscript(tag string) *transcript {
	t := transcripts.Get().(*transcript)
	t.text(tag)
	return t
}

// maxPooled is the maximum capacity of a transcript that is pooled.
const maxPooled = 16 << 10

func (t *transcript) release() {
	if cap(t.b) <= maxPooled {
		t.b = t.b[:0]
		transcripts.Put(t)
	}
}

func (t *transcript) number(n int64) { t.b = binary.BigEndian.AppendUint64(t.b, uint64(n)) }

func (t *transcript) bytes(b []byte) {
	t.number(int64(len(b)))
	t.b = append(t.b, b...)
}

func (t *transcript) text(s string) {
	t.number(int64(len(s)))
	t.b = append(t.b, s...)
}

// list distinguishes nil from empty: nil gives all power, empty gives none.
func (t *transcript) list(list []string) {
	if list == nil {
		t.number(-1)
		return
	}
	t.number(int64(len(list)))
	for _, s := range list {
		t.text(s)
	}
}

func (t *transcript) time(at Time) {
	if at.IsZero() {
		t.number(-1 << 63)
		return
	}
	t.number(at.UnixMilli())
}
