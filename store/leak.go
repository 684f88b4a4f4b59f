package store

import (
	"context"
	"crypto/subtle"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxLeaks is the greatest number of tokens that one call of ReportLeaks takes.
	MaxLeaks = 500
	// maxSourceBytes is how much of Leak.Source is kept.
	maxSourceBytes = 500
)

// Leak is a token that was seen where it should not be.
type Leak struct {
	Token string
	// Source says where, for the audit log: an address, what reported it. Whatever in it looks like a secret token is redacted, and it is cut
	// after 500 bytes.
	Source string
}

// ReportLeaks revokes now, in one change, every secret key whose token is among up to MaxLeaks that were seen in the wild, and returns those
// that it ended. The audit log has "leaked" as the reason, and the source. When it returns, no instance accepts these keys any more. To know a
// token is all that it takes: who has it could use it, and revoking it is what its owner would want.
//
// Tokens that are malformed, unknown, publishable (these are public) or of keys that are dead already are no error and change nothing.
// Imported Medusa keys that have not been used yet are found like on a first use, with scrypt and its cap (see Options.MaxScrypt); an expired one is
// not. An error that matches ErrUnavailable means that some of the tokens could not be decided; keys that are returned beside it have been
// ended. Report all of them again.
func (k *Keys) ReportLeaks(ctx context.Context, leaks []Leak) ([]*Key, error) {
	if len(leaks) > MaxLeaks {
		return nil, Errorf(ErrInvalid, "At most %d leaked tokens can be reported at once, got %d", MaxLeaks, len(leaks))
	}
	seen := make(map[string]leakMatch, len(leaks))
	ids := make([]string, 0, len(leaks))
	var failed error
	for _, leak := range leaks {
		t, err := ParseToken(leak.Token)
		if err != nil || t.Type() != Secret {
			continue
		}
		r, err := k.leakedKey(ctx, t)
		if err != nil {
			failed = err // of the others, as many as possible
		}
		if r == nil {
			continue
		}
		if _, again := seen[r.Key.ID]; !again {
			e := r.Evidence.Value()
			seen[r.Key.ID] = leakMatch{lookup: t.LookupID(), salt: e.LegacySalt, hash: e.LegacyHash, source: cleanSource(leak.Source)}
			ids = append(ids, r.Key.ID)
		}
	}
	if len(ids) == 0 {
		return nil, failed
	}
	var ended []*Key
	err := k.change(ctx, "report leaks", func(tx Tx) error {
		found, err := k.find(ctx, tx, Filter{IDs: ids})
		if err != nil {
			return err
		}
		now := k.now()
		for _, r := range found {
			s := seen[r.Key.ID]
			if !s.of(r) || r.Key.isDead(now) {
				continue
			}
			if err := k.endLeaked(ctx, tx, r, s.source, now); err != nil {
				return err
			}
			ended = append(ended, &r.Key)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ended, failed
}

// leakedKey returns the record that the token belongs to, or nil: there is none, or it died so long ago that everybody knows. What it
// returns may come from a cache: the change asks again.
func (k *Keys) leakedKey(ctx context.Context, t Token) (*Record, error) {
	found, err := k.lookup(ctx, t, t.LookupID())
	if err != nil {
		return nil, err
	}
	now := k.o.Now()
	r := found.Record
	if r == nil && len(found.Legacy) > 0 {
		r, err = k.legacy.check(ctx, t, found.Legacy, now)
		if errors.Is(err, ErrUnauthenticated) {
			return nil, nil
		}
		return r, err
	}
	if r == nil || r.Key.isDead(now) && now.Sub(r.Key.RevokedAt.Time()) > repeatWindow {
		return nil, nil
	}
	return r, nil
}

// leakMatch is where a token was seen, and what the record that it belongs to is recognised by.
type leakMatch struct {
	lookup LookupID
	salt   string // of an imported key that scrypt has recognised; it may be given its lookup id at any moment
	hash   []byte
	source string
}

func (s leakMatch) of(r *Record) bool {
	if !r.Key.LookupID.IsZero() {
		return r.Key.Type == Secret && r.Key.LookupID == s.lookup
	}
	e := r.Evidence.Value()
	return len(s.hash) > 0 && e.LegacySalt == s.salt && subtle.ConstantTimeCompare(e.LegacyHash, s.hash) == 1
}

// endLeaked revokes a key that is alive. A revocation that was scheduled is brought forward.
func (k *Keys) endLeaked(ctx context.Context, tx Tx, r *Record, source string, now time.Time) error {
	key := &r.Key
	key.Revoked, key.RevokedAt, key.RevokedBy, key.UpdatedAt = true, TimeOf(now), principalFrom(ctx).actor, TimeOf(now)
	details := map[string]string{"revoked_at": now.Format(wireTime), "reason": "leaked"}
	if source != "" {
		details["source"] = source
	}
	return k.save(ctx, tx, r, Revoked, now, details)
}

// cleanSource makes a stranger's text fit for the audit log.
func cleanSource(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '�'
		}
		return r
	}, RedactTokens(s))
	if len(s) > maxSourceBytes {
		s = strings.ToValidUTF8(s[:maxSourceBytes], "") // not half a character
	}
	return s
}

// RedactTokens replaces whatever in s could be a secret token by its redacted form, the first six
// characters and the last three. A text with a token that is percent-encoded becomes "***" as a
// whole. It is for what clients send and programs write down: the paths in an access log, the place
// where a token was found.
func RedactTokens(s string) string {
	if s = redactPlain(s); HoldsSecret(s) {
		return "***"
	}
	return s
}

func redactPlain(s string) string {
	var b strings.Builder
	for {
		at := strings.Index(s, prefixOf(Secret))
		if at < 0 {
			b.WriteString(s)
			return b.String()
		}
		end := at
		for end < len(s) && isTokenByte(s[end]) {
			end++
		}
		b.WriteString(s[:at])
		if word := s[at:end]; len(word) > tailChars {
			b.WriteString(word[:6] + "***" + word[len(word)-3:])
		} else {
			b.WriteString(word)
		}
		s = s[end:]
	}
}

func isTokenByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}
