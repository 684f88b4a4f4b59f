package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"

	"github.com/latchkey-go/latchkey/store"
)

// tokens are what the requests carry, by class, each list in turn.
type tokens struct {
	lists [classes][]string
	next  [classes]atomic.Uint64
}

// put sets the header that carries a token of the class.
func (t *tokens) put(r *http.Request, k class) {
	list := t.lists[k]
	token := list[t.next[k].Add(1)%uint64(len(list))]
	if strings.HasPrefix(token, "pk_") {
		r.Header.Set("X-Publishable-Api-Key", token)
		return
	}
	r.Header.Set("Authorization", "Bearer "+token)
}

// strangers is how many unknown tokens are used in turn.
const strangers = 5_000

// addStrangers makes the tokens that no server knows, of one type: well-formed ones of keys in a
// store that is thrown away, and bad ones, one character of which has been changed.
func (t *tokens) addStrangers(ctx context.Context, typ store.Type) error {
	keys := store.New(store.NewMemory())
	defer keys.Close(context.WithoutCancel(ctx))
	made, err := createMany(ctx, keys, strangers, store.NewKey{Type: typ})
	if err != nil {
		return fmt.Errorf("making unknown tokens: %w", err)
	}
	t.lists[unknown] = made
	for _, token := range made[:100] {
		t.lists[bad] = append(t.lists[bad], misspell(token))
	}
	return nil
}

// misspell changes one character, so that the checksum is wrong.
func misspell(token string) string {
	other := "x"
	if token[20] == 'x' {
		other = "y"
	}
	return token[:20] + other + token[21:]
}

// createMany makes keys and returns their tokens.
func createMany(ctx context.Context, keys *store.Keys, n int, like store.NewKey) ([]string, error) {
	all := make([]string, 0, n)
	for len(all) < n {
		batch := make([]store.NewKey, min(1000, n-len(all)))
		for i := range batch {
			batch[i] = like
		}
		made, err := keys.CreateMany(ctx, batch)
		if err != nil {
			return nil, err
		}
		for _, m := range made {
			all = append(all, m.Token.Reveal())
		}
	}
	return all, nil
}

// readTokens reads the valid tokens for a server that is not our own. Its errors name lines, never
// tokens.
func readTokens(name string, m mix) (*tokens, store.Type, error) {
	t, typ := &tokens{}, store.Secret
	if name == "" {
		return t, typ, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, "", usage("-tokens: %v", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		token, err := store.ParseToken(line)
		if err != nil {
			return nil, "", usage("-tokens: line %d of %s is not a token", number, name)
		}
		if len(t.lists[warm]) == 0 {
			t.lists[warm], typ = []string{line}, token.Type()
			continue
		}
		t.lists[cold] = append(t.lists[cold], line)
	}
	switch err := lines.Err(); {
	case err != nil:
		return nil, "", usage("-tokens: %v", err)
	case len(t.lists[warm]) == 0:
		return nil, "", usage("-tokens: %s is empty", name)
	case m[cold] > 0 && len(t.lists[cold]) == 0:
		return nil, "", usage("-tokens: cold requests need more tokens than the one in %s; add some, or set -cold 0 and another share higher", name)
	}
	return t, typ, nil
}
