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
	// MaxLeaks is the maximum number of tokens in one call of ReportLeaks.
	MaxLeaks = 500
	// maxSourceBytes is the maximum length of Leak.Source in the audit log.
	maxSourceBytes = 500
)

// Leak is a token that was found in a public place.
type Leak struct {
	Token string
	// Source is where the token was found or who reported it, for the audit log. Secret tokens in
	// it are redacted, and it is cut after 500 bytes.
	Source string
}

// ReportLeaks revokes, in one change, every secret key whose token is among the leaks, at most
// MaxLeaks, and returns the keys that it revoked. The audit log has the reason "leaked" and the
// source. When ReportLeaks returns, no instance accepts these keys. No permission is needed: anyone
// who has the token could use it, and its owner would want it revoked.
//
// Tokens that are malformed, unknown or publishable, or whose keys are already revoked, are not an
// error and change nothing. Imported Medusa keys that have not been used yet are found with scrypt,
// as on a first use and with its limit (see Options.MaxScrypt), unless they have expired. An error
// that matches ErrUnavailable means that some tokens could not be checked; keys that are returned
// with it have been revoked. In that case report all tokens again.
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
			failed = err // go on with the other tokens
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

// leakedKey returns the record of the token, or nil if there is none or its key was revoked more
// than repeatWindow ago. The record may come from a cache; the change reads it again.
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

// leakMatch is where a token was found, and how to recognise the record that it belongs to.
type leakMatch struct {
	lookup LookupID
	salt   string // of an imported key that scrypt has matched; it may get its lookup id at any time
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

// endLeaked revokes a key that is not revoked yet. A scheduled revocation takes effect now.
func (k *Keys) endLeaked(ctx context.Context, tx Tx, r *Record, source string, now time.Time) error {
	key := &r.Key
	key.Revoked, key.RevokedAt, key.RevokedBy, key.UpdatedAt = true, TimeOf(now), principalFrom(ctx).actor, TimeOf(now)
	details := map[string]string{"revoked_at": now.Format(wireTime), "reason": "leaked"}
	if source != "" {
		details["source"] = source
	}
	return k.save(ctx, tx, r, Revoked, now, details)
}

// cleanSource redacts secret tokens in s, replaces characters that cannot be printed, and limits
// its length.
func cleanSource(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '�'
		}
		return r
	}, RedactTokens(s))
	if len(s) > maxSourceBytes {
		s = strings.ToValidUTF8(s[:maxSourceBytes], "") // no partial character
	}
	return s
}

// RedactTokens replaces each part of s that could be a secret token by its redacted form: the first
// six characters, "***" and the last three. If s contains a percent-encoded token, the result is
// "***". Use it for text from clients that is logged or stored, for example the paths in an access
// log.
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
