package admin

import (
	"context"
	"encoding/json"
	"net/netip"

	"github.com/latchkey-go/latchkey/store"
)

// attribute returns what an answer shows of a key under that name, and whether there is such an attribute. The token of a
// secret key is not in a store.Key, so no name can show it.
func attribute(k *store.Key, name string) (value any, ok bool) {
	switch name {
	case "id":
		return k.ID, true
	case "title":
		return k.Title, true
	case "token":
		return k.Token, true
	case "redacted":
		return k.Redacted, true
	case "type":
		return string(k.Type), true
	case "created_by":
		return k.CreatedBy, true
	case "created_at":
		return timeOrNull(k.CreatedAt.Time()), true
	case "updated_at":
		return timeOrNull(k.UpdatedAt.Time()), true
	case "revoked_at":
		return timeOrNull(k.RevokedAt.Time()), true
	case "revoked_by":
		if k.RevokedAt.IsZero() {
			return nil, true
		}
		return k.RevokedBy, true
	case "last_used_at":
		return timeOrNull(k.LastUsedAt.Time()), true
	case "deleted_at": // deletion removes the row
		return nil, true
	default:
		return ownAttribute(k, name)
	}
}

// ownAttribute is attribute for what Medusa does not have. null tells "not restricted" from an empty list.
func ownAttribute(k *store.Key, name string) (value any, ok bool) {
	switch name {
	case "scopes":
		return listOrNull(k.Scopes), true
	case "expires_at":
		return timeOrNull(k.ExpiresAt.Time()), true
	case "metadata":
		if k.Metadata == nil {
			return nil, true
		}
		return k.Metadata, true
	case "allowed_cidrs":
		return listOrNull(cidrTexts(k.AllowedCIDRs)), true
	case "rate_limit":
		if k.RateLimit == (store.RateLimit{}) {
			return nil, true
		}
		return members{{"requests", k.RateLimit.Requests}, {"window", k.RateLimit.Window.Seconds()}}, true
	case "rolled_from":
		return textOrNull(k.RolledFrom), true
	case "version":
		return k.Version, true
	default:
		return nil, false
	}
}

func isAttribute(name string) bool {
	_, ok := attribute(&store.Key{}, name)
	return ok
}

func listOrNull(list []string) any {
	if list == nil {
		return nil
	}
	return list
}

func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func cidrTexts(cidrs []netip.Prefix) []string {
	if cidrs == nil {
		return nil
	}
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

// showKey writes one key. It counts after each record of a relation: a shop's channels may say much,
// and a thousand keys may have the same.
func showKey(key *store.Key, s selection, channels map[string]SalesChannel, meter *store.Meter) (json.RawMessage, error) {
	m := make(members, len(s.names), len(s.names)+len(s.relations))
	for i, name := range s.names {
		value, _ := attribute(key, name)
		m[i] = member{name, value}
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
			if err := meter.Add(len(list) - before); err != nil {
				return nil, err
			}
		}
		m = append(m, member{rel.name, json.RawMessage(append(list, ']'))})
	}
	text := appendJSON(nil, m)
	return text, meter.Add(len(text) - relationBytes(m[len(s.names):]))
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
	shown, err := a.show(ctx, []*store.Key{key}, s, &store.Meter{Max: maxAnswerBytes})
	if err != nil {
		return nil, err
	}
	return members{{"api_key", shown[0]}}, nil
}

// showCreated writes a new key with its token, the only time that it is shown, and with those of our own attributes that were asked
// for.
func showCreated(made store.Made, asked fields) members {
	var m members
	for _, name := range append(createdFields(), asked.ownOf()...) {
		value, _ := attribute(made.Key, name)
		if name == "token" {
			value = made.Token.Reveal()
		}
		m = append(m, member{name, value})
	}
	return members{{"api_key", m}}
}
