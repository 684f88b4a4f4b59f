package admin

import (
	"context"
	"errors"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// eventsQuery is the query of GET /api-keys/{id}/events: Limit events with ids greater than After.
type eventsQuery struct{ After, Limit int64 }

func readEventsQuery(r *medusa.FieldsReader) (q eventsQuery) {
	q.After = r.QueryInteger("after", 0, 0, maxSafeInteger)
	q.Limit = r.QueryInteger("limit", 50, 1, 1000)
	return q
}

// events answers GET /api-keys/{id}/events: the audit trail of a key, oldest first. Deleted keys
// have one too, as long as the log holds their events. The event of an import is in no trail: it
// names no key.
func (a *api) events(ctx context.Context, c call[struct{}, eventsQuery]) (medusa.Members, error) {
	found, err := a.keys.Events(ctx, store.EventQuery{
		KeyID: c.ID, After: c.Query.After, Limit: int(c.Query.Limit) + 1, MaxBytes: maxAnswerBytes,
	})
	if err == nil && len(found) == 0 {
		err = a.keyExistedOrNotFound(ctx, c.ID)
	}
	if err != nil {
		return nil, err
	}
	var next any
	if len(found) > int(c.Query.Limit) {
		found = found[:c.Query.Limit]
		next = found[len(found)-1].ID
	}
	shown := make([]medusa.Members, len(found))
	for i, e := range found {
		shown[i] = medusa.Members{
			{"id", e.ID}, {"kind", string(e.Kind)}, {"version", e.Version}, {"actor", medusa.TextOrNull(e.Actor)},
			{"request_id", medusa.TextOrNull(e.RequestID)}, {"at", medusa.TimeOrNull(e.At)}, {"details", e.Details},
		}
	}
	return medusa.Members{{"events", shown}, {"limit", c.Query.Limit}, {"next_after", next}}, nil
}

// keyExistedOrNotFound returns nil when the key or an event of it exists, otherwise
// store.ErrNotFound.
func (a *api) keyExistedOrNotFound(ctx context.Context, id string) error {
	_, err := a.keys.Get(ctx, id)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	left, eventsErr := a.keys.Events(ctx, store.EventQuery{KeyID: id, Limit: 1})
	if eventsErr != nil || len(left) > 0 {
		return eventsErr
	}
	return err
}
