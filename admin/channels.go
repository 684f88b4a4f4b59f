package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/internal/meter"
	"github.com/latchkey-go/latchkey/store"
)

// SalesChannel is a channel of the shop that admin runs in. Zero times are shown as null.
type SalesChannel struct {
	ID, Name, Description string
	IsDisabled            bool
	Metadata              json.RawMessage // a JSON object; nil is shown as null
	CreatedAt, UpdatedAt  time.Time
	DeletedAt             time.Time
}

// SalesChannels is where the shop keeps its channels.
type SalesChannels interface {
	// ByID returns those of the channels that exist, in any order. It is asked with 1 to 1000 ids,
	// each once. An error that matches store.ErrUnavailable becomes a 503, any other a 500.
	ByID(ctx context.Context, ids []string) ([]SalesChannel, error)
}

// channelsPerCall is how many channels the shop is asked for at once.
const channelsPerCall = 1000

// channelsByID asks the shop, and stops when an answer could not hold what it says. It is not asked
// for an id that holds a secret token, which only a key from before that was refused can have.
func (a *api) channelsByID(ctx context.Context, ids []string) (map[string]SalesChannel, error) {
	found := make(map[string]SalesChannel)
	read := meter.Meter{Max: maxAnswerBytes}
	ids = slices.DeleteFunc(slices.Clone(ids), store.HoldsSecret)
	for some := range slices.Chunk(ids, channelsPerCall) {
		list, err := a.channels.ByID(ctx, some)
		if err != nil {
			return nil, fmt.Errorf("admin: asking for sales channels: %w", err)
		}
		for _, c := range list {
			if !read.Add(len(c.ID) + len(c.Name) + len(c.Description) + len(c.Metadata)) {
				return nil, tooLong()
			}
			if c.Metadata, err = compactJSON(c.Metadata); err != nil {
				return nil, fmt.Errorf("admin: metadata of sales channel %q: %w", c.ID, err)
			}
			found[c.ID] = c
		}
	}
	return found, nil
}

// compactJSON returns text without white space, or an error when it is no JSON.
func compactJSON(text json.RawMessage) (json.RawMessage, error) {
	if text == nil {
		return nil, nil
	}
	var b bytes.Buffer
	err := json.Compact(&b, text)
	return b.Bytes(), err
}

// channelsOf returns the channels that an answer shows more of than their ids. Without a shop there
// are none, and each is called by its id.
func (a *api) channelsOf(ctx context.Context, keys []*store.Key, s selection) (map[string]SalesChannel, error) {
	wanted := slices.ContainsFunc(s.relations, func(r relation) bool {
		return r.name == salesChannels && slices.ContainsFunc(r.members, func(m string) bool { return m != "id" })
	})
	if !wanted || a.channels == nil {
		return nil, nil
	}
	var ids []string
	for _, key := range keys {
		ids = append(ids, key.SalesChannelIDs...)
	}
	slices.Sort(ids)
	return a.channelsByID(ctx, slices.Compact(ids))
}

// relationMember returns one member of one linked record. A channel that is linked but unknown to the shop is shown by its id, also in
// the place of its name.
func relationMember(rel, name, keyID, channelID string, channels map[string]SalesChannel) any {
	c, ok := channels[channelID]
	if !ok {
		c = SalesChannel{ID: channelID, Name: channelID}
	}
	switch {
	case rel == salesChannelsLink && name == "publishable_key_id":
		return keyID
	case rel == salesChannelsLink || name == "id":
		return channelID
	case name == "name":
		return c.Name
	case name == "description":
		return textOrNull(c.Description)
	case name == "is_disabled":
		return c.IsDisabled
	case name == "metadata":
		if c.Metadata == nil {
			return nil
		}
		return c.Metadata
	case name == "created_at":
		return timeOrNull(c.CreatedAt)
	case name == "updated_at":
		return timeOrNull(c.UpdatedAt)
	default:
		return timeOrNull(c.DeletedAt)
	}
}

// mustExist returns Medusa's error that names the channels that the shop does not know. No id may
// be there twice. Without a shop every channel exists.
func (a *api) mustExist(ctx context.Context, ids []string) error {
	if a.channels == nil {
		return nil
	}
	found, err := a.channelsByID(ctx, ids)
	if err != nil {
		return err
	}
	var unknown []string
	for _, id := range ids {
		if _, ok := found[id]; !ok {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) > 0 {
		return store.Errorf(store.ErrInvalid, "Sales channels with IDs %s do not exist", strings.Join(unknown, ", "))
	}
	return nil
}
