package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// nullIf returns v, or null if it is not set.
func nullIf(unset bool, v any) any {
	if unset {
		return nil
	}
	return v
}

func cidrTexts(cidrs []netip.Prefix) []string {
	texts := make([]string, len(cidrs))
	for i, cidr := range cidrs {
		texts[i] = cidr.String()
	}
	return texts
}

// maxAnswerBytes bounds an answer and what is read for it. A key with two sales channels and some
// further attributes takes about 700 bytes, so that a page of 10 000 keys fits.
const maxAnswerBytes = 8 << 20

// show encodes the selected parts of the keys. It fails when they exceed the meter.
func (a *api) show(ctx context.Context, keys []*store.Key, s selection, meter *store.Meter) ([]json.RawMessage, error) {
	channels, err := a.channelsOf(ctx, keys, s)
	if err != nil {
		return nil, err
	}
	shown := make([]json.RawMessage, len(keys))
	for i, key := range keys {
		if shown[i], err = showKey(key, s, channels, meter); err != nil {
			return nil, err
		}
	}
	return shown, nil
}

// showKey encodes one key. It adds each record of a relation to the meter at once: channels may be
// large, and a thousand keys may share them.
func showKey(
	key *store.Key, s selection, channels map[string]SalesChannel, meter *store.Meter,
) (json.RawMessage, error) {
	m := make(medusa.Members, len(s.attributes), len(s.attributes)+len(s.relations))
	for i, a := range s.attributes {
		m[i] = medusa.Member{a.name, a.show(key)}
	}
	for _, rel := range s.relations {
		list := []byte{'['}
		linked := make(medusa.Members, len(rel.members))
		for i, id := range key.SalesChannelIDs {
			for j, name := range rel.members {
				linked[j] = medusa.Member{name, relationMember(rel.name, name, key.ID, id, channels)}
			}
			if i > 0 {
				list = append(list, ',')
			}
			before := len(list)
			list = medusa.AppendJSON(list, linked)
			if err := meter.Add(len(list) - before); err != nil {
				return nil, err
			}
		}
		m = append(m, medusa.Member{rel.name, json.RawMessage(append(list, ']'))})
	}
	text := medusa.AppendJSON(nil, m)
	uncounted := len(text)
	for _, relation := range m[len(s.attributes):] {
		uncounted -= len(relation.Value.(json.RawMessage))
	}
	return text, meter.Add(uncounted)
}

// showOne returns the answer {"api_key":…} for one key.
func (a *api) showOne(ctx context.Context, key *store.Key, s selection) (medusa.Members, error) {
	shown, err := a.show(ctx, []*store.Key{key}, s, &store.Meter{Max: maxAnswerBytes})
	if err != nil {
		return nil, err
	}
	return medusa.Members{{"api_key", shown[0]}}, nil
}

// showCreated returns the answer for a new key: the only one that shows its token. The parameter
// can only add attributes that Medusa does not have.
func showCreated(made store.Made, asked fields) medusa.Members {
	var m medusa.Members
	for _, a := range append(selectionOf(createdFields()).attributes, asked.own()...) {
		value := a.show(made.Key)
		if a.name == "token" {
			value = made.Token.Reveal()
		}
		m = append(m, medusa.Member{a.name, value})
	}
	return medusa.Members{{"api_key", m}}
}

// respond writes a JSON answer. Nothing may cache it.
func respond(w http.ResponseWriter, status int, body medusa.Members) {
	text := medusa.AppendJSON(nil, body)
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text) // an error means that the client is gone
}
