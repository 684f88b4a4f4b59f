package admin

import (
	"context"
	"encoding/json"
	"net/netip"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// nullIf returns v, or null where it is not set.
func nullIf(unset bool, v any) any {
	if unset {
		return nil
	}
	return v
}

func textOrNull(s string) any { return nullIf(s == "", s) }

func cidrTexts(cidrs []netip.Prefix) []string {
	texts := make([]string, len(cidrs))
	for i, cidr := range cidrs {
		texts[i] = cidr.String()
	}
	return texts
}

// maxAnswerBytes bounds an answer, and what is read for it. An ordinary key with two sales channels
// and some of our own attributes takes some 700 bytes, so that a page of 10 000 fits.
const maxAnswerBytes = 8 << 20

// show writes keys as the selection says, no more than the meter allows.
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

// showKey writes one key. It counts after each record of a relation: a shop's channels may say
// much, and a thousand keys may have the same.
func showKey(key *store.Key, s selection, channels map[string]SalesChannel, meter *store.Meter) (json.RawMessage, error) {
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
	return text, meter.Add(len(text) - relationBytes(m[len(s.attributes):]))
}

// relationBytes is how much of an answer has been counted already.
func relationBytes(relations medusa.Members) (n int) {
	for _, m := range relations {
		n += len(m.Value.(json.RawMessage))
	}
	return n
}

// showOne is show for one key, as the answer {"api_key":…}.
func (a *api) showOne(ctx context.Context, key *store.Key, s selection) (medusa.Members, error) {
	shown, err := a.show(ctx, []*store.Key{key}, s, &store.Meter{Max: maxAnswerBytes})
	if err != nil {
		return nil, err
	}
	return medusa.Members{{"api_key", shown[0]}}, nil
}

// showCreated writes a new key with its token, the only time that it is shown, and with those of our own attributes that were asked
// for.
func showCreated(made store.Made, asked fields) medusa.Members {
	var m medusa.Members
	for _, a := range append(selectionOf(createdFields()).attributes, asked.ownOf()...) {
		value := a.show(made.Key)
		if a.name == "token" {
			value = made.Token.Reveal()
		}
		m = append(m, medusa.Member{a.name, value})
	}
	return medusa.Members{{"api_key", m}}
}
