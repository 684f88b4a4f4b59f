package admin

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/latchkey-go/latchkey/internal/meter"
	"github.com/latchkey-go/latchkey/store"
)

// maxSafeInteger is the greatest whole number of which JavaScript knows the next, 2^53 - 1.
const maxSafeInteger = 1<<53 - 1

// listQuery is the query of GET /api-keys. Limit and Offset are as the client gave them, to be echoed.
type listQuery struct {
	Fields        fields
	Offset, Limit float64
	Order         store.Order
	Filter        store.Filter
}

func (a *api) readListQuery(r *reader) (q listQuery) {
	q.Fields = readFields(r)
	q.Offset = readCount(r, "offset", 0)
	q.Limit = readCount(r, "limit", 20)
	q.Order = readOrder(r)
	readWithDeleted(r)
	q.Filter = language{now: a.now()}.top(r)
	return q
}

// readCount reads a limit or offset.
func readCount(r *reader, name string, absent float64) float64 {
	v, there := r.take(name)
	if !there {
		return absent
	}
	s, _ := v.(string)
	n, ok := parseInt(s)
	switch {
	case !ok || math.IsInf(n, 0):
		r.mistyped(name, "number", v)
	case n < 0:
		r.tooSmall(name, 0)
	}
	return n
}

// readOrder reads one column, with - in front for descending. In Medusa keys can also be sorted by salt and deleted_at; here all keys
// are equal in them.
func readOrder(r *reader) store.Order {
	s, ok := r.text("order")
	if !ok {
		return store.Order{}
	}
	name, desc := strings.CutPrefix(s, "-")
	switch by := store.Column(name); by {
	case store.ByID, store.ByTitle, store.ByType, store.ByToken, store.ByRedacted, store.ByCreatedAt, store.ByCreatedBy,
		store.ByUpdatedAt, store.ByRevokedAt, store.ByLastUsedAt:
		return store.Order{By: by, Desc: desc}
	case "salt", "deleted_at":
		return store.Order{}
	}
	r.fault("Order field " + name + " is not valid")
	return store.Order{}
}

// readWithDeleted checks a parameter that has no effect: deletion removes the row.
func readWithDeleted(r *reader) {
	v, there := r.take("with_deleted")
	if s, ok := v.(string); there && (!ok || s != "true" && s != "false") {
		r.mistyped("with_deleted", "boolean", v)
	}
}

// list answers GET /api-keys. Beyond 2^53 Medusa drops a limit or offset, and so it is here. A page
// of more than maxPage keys is refused, and so is one of more bytes than maxAnswerBytes, so that no
// answer has to fit into memory whatever its size.
func (a *api) list(ctx context.Context, c call[struct{}, listQuery]) (members, error) {
	q := store.Query{Filter: c.Query.Filter, Order: c.Query.Order, Limit: a.maxPage + 1, MaxBytes: maxAnswerBytes}
	if c.Query.Offset <= maxSafeInteger {
		q.Offset = int(c.Query.Offset)
	}
	switch limit := c.Query.Limit; {
	case limit == 0:
		q.Limit = -1
	case limit < float64(q.Limit):
		q.Limit = int(limit)
	}
	keys, count, err := a.keys.ListAndCount(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(keys) > a.maxPage {
		return nil, store.Errorf(store.ErrInvalid, "Invalid request: Value for field 'limit' too big, expected at most: '%d'", a.maxPage)
	}
	shown, err := a.show(ctx, keys, c.Query.Fields.over(defaultFields()), &meter.Meter{Max: maxAnswerBytes})
	if err != nil {
		return nil, fmt.Errorf("admin: list: %w", err)
	}
	return members{{"api_keys", shown}, {"count", count}, {"offset", c.Query.Offset}, {"limit", c.Query.Limit}}, nil
}
