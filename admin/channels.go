package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// SalesChannel is a sales channel of the shop. Answers show zero times as null.
type SalesChannel struct {
	ID, Name, Description string
	IsDisabled            bool
	Metadata              json.RawMessage // a JSON object; answers show nil as null
	CreatedAt, UpdatedAt  time.Time
	DeletedAt             time.Time
}

// SalesChannels finds the sales channels of the shop.
type SalesChannels interface {
	// ByID returns the existing channels with these ids, in any order. There are 1 to 1000 distinct
	// ids. The answer to an error that matches store.ErrUnavailable is 503, to any other 500.
	ByID(ctx context.Context, ids []string) ([]SalesChannel, error)
}

// channelsPerCall is the greatest number of ids in one call of SalesChannels.ByID.
const channelsPerCall = 1000

// channelsByID finds channels in the shop. It fails when they do not fit into an answer. Ids that
// hold a secret token are left out: only keys made before such ids were refused can have them.
func (a *api) channelsByID(ctx context.Context, ids []string) (map[string]SalesChannel, error) {
	found := make(map[string]SalesChannel)
	meter := store.Meter{Max: maxAnswerBytes}
	ids = slices.DeleteFunc(slices.Clone(ids), store.HoldsSecret)
	for some := range slices.Chunk(ids, channelsPerCall) {
		list, err := a.channels.ByID(ctx, some)
		if err != nil {
			return nil, fmt.Errorf("admin: asking for sales channels: %w", err)
		}
		for _, c := range list {
			if err := meter.Add(len(c.ID) + len(c.Name) + len(c.Description) + len(c.Metadata)); err != nil {
				return nil, err
			}
			if c.Metadata != nil {
				var compact bytes.Buffer
				if err := json.Compact(&compact, c.Metadata); err != nil {
					return nil, fmt.Errorf("admin: metadata of sales channel %q: %w", c.ID, err)
				}
				c.Metadata = compact.Bytes()
			}
			found[c.ID] = c
		}
	}
	return found, nil
}

// channelsOf returns the channels of the keys, if the answer shows more of them than their ids. It
// returns none without a shop.
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

// relationMember returns one member of one linked record. A channel that the shop does not know has
// its id as its name.
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
		return medusa.TextOrNull(c.Description)
	case name == "is_disabled":
		return c.IsDisabled
	case name == "metadata":
		return nullIf(c.Metadata == nil, c.Metadata)
	case name == "created_at":
		return medusa.TimeOrNull(c.CreatedAt)
	case name == "updated_at":
		return medusa.TimeOrNull(c.UpdatedAt)
	default:
		return medusa.TimeOrNull(c.DeletedAt)
	}
}

// mustExist returns Medusa's error when the shop does not know one of the channels. The ids must be
// distinct. Without a shop every channel exists.
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
