package store_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"math/big"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

// recorder remembers what was read.
type recorder struct {
	from io.Reader
	read bytes.Buffer
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.from.Read(b)
	r.read.Write(b[:n])
	return n, err
}

// A token says what was read from the source of randomness, all 32 bytes of it, and by default that
// source is crypto/rand.
func TestRequirement01TokensAre32BytesOfCryptoRand(t *testing.T) {
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	system := rand.Reader
	defer func() { rand.Reader = system }()
	source := &recorder{from: system}
	rand.Reader = source
	b := newBench(t, store.Options{})
	for _, typ := range []store.Type{store.Secret, store.Publishable} {
		for range 50 {
			source.read.Reset()
			made := b.create(store.NewKey{Type: typ})
			body := made.Token.Reveal()[len("sk_"):][:43]
			n := new(big.Int)
			for _, c := range body {
				n.Add(n.Mul(n, big.NewInt(62)), big.NewInt(int64(strings.IndexRune(base62, c))))
			}
			if secret := n.FillBytes(make([]byte, 32)); !bytes.Contains(source.read.Bytes(), secret) {
				t.Fatalf("%s holds %x; read from crypto/rand was %x", made.Token.Reveal(), secret, source.read.Bytes())
			}
		}
	}
}
