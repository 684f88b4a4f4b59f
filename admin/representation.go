package admin

import (
	"context"
	"encoding/json"
	"net/netip"

	"github.com/latchkey-go/latchkey/internal/meter"
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

func tooLong() error { return store.Errorf(store.ErrInvalid, meter.TooLong, maxAnswerBytes) }

// show writes keys as the selection says, no more than written allows.
func (a *api) show(ctx context.Context, keys []*store.Key, s selection, written *meter.Meter) ([]json.RawMessage, error) {
	channels, err := a.channelsOf(ctx, keys, s)
	if err != nil {
		return nil, err
	}
	shown := make([]json.RawMessage, len(keys))
	for i, key := range keys {
		if shown[i], err = showKey(key, s, channels, written); err != nil {
			return nil, err
		}
	}
	return shown, nil
}

// showKey writes one key. It counts after each record of a relation: a shop's channels may say
// much, and a thousand keys may have the same.
func showKey(key *store.Key, s selection, channels map[string]SalesChannel, written *meter.Meter) (json.RawMessage, error) {
	m := make(members, len(s.attributes), len(s.attributes)+len(s.relations))
	for i, a := range s.attributes {
		m[i] = member{a.name, a.show(key)}
	}
	for _, rel := range s.relations {
		list := []byte{'['}
		linked := make(members, len(rel.members))
		for i, id := range key.SalesChannelIDs {
			for j, name := range rel.members {
				linked[j] = member{name, relationMember(rel.name, name, key.ID, id, channels)}
			}
			if i > 0 {
				list = append(list, ',')
			}
			before := len(list)
			list = appendJSON(list, linked)
			if !written.Add(len(list) - before) {
				return nil, tooLong()
			}
		}
		m = append(m, member{rel.name, json.RawMessage(append(list, ']'))})
	}
	text := appendJSON(nil, m)
	if !written.Add(len(text) - relationBytes(m[len(s.attributes):])) {
		return nil, tooLong()
	}
	return text, nil
}

// relationBytes is how much of an answer has been counted already.
func relationBytes(relations members) (n int) {
	for _, m := range relations {
		n += len(m.value.(json.RawMessage))
	}
	return n
}

// showOne is show for one key, as the answer {"api_key":…}.
func (a *api) showOne(ctx context.Context, key *store.Key, s selection) (members, error) {
	shown, err := a.show(ctx, []*store.Key{key}, s, &meter.Meter{Max: maxAnswerBytes})
	if err != nil {
		return nil, err
	}
	return members{{"api_key", shown[0]}}, nil
}

// showCreated writes a new key with its token, the only time that it is shown, and with those of our own attributes that were asked
// for.
func showCreated(made store.Made, asked fields) members {
	var m members
	for _, a := range append(selectionOf(createdFields()).attributes, asked.ownOf()...) {
		value := a.show(made.Key)
		if a.name == "token" {
			value = made.Token.Reveal()
		}
		m = append(m, member{a.name, value})
	}
	return members{{"api_key", m}}
}
