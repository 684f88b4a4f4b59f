package admin

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/store"
)

// maxSafeInteger is Number.MAX_SAFE_INTEGER in JavaScript.
const maxSafeInteger = 1<<53 - 1

// listQuery is the query of GET /api-keys. The answer repeats Limit and Offset.
type listQuery struct {
	Fields        fields
	Offset, Limit float64
	Order         store.Order
	Filter        store.Filter
}

func (a *api) readListQuery(r *medusa.FieldsReader) (q listQuery) {
	q.Fields = readFields(r)
	q.Offset = readCount(r, "offset", 0)
	q.Limit = readCount(r, "limit", 20)
	q.Order = readOrder(r)
	readWithDeleted(r)
	q.Filter = filterParser{now: a.now()}.parse(r)
	return q
}

// readCount reads a limit or offset.
func readCount(r *medusa.FieldsReader, name string, absent float64) float64 {
	v, there := r.Any(name)
	if !there {
		return absent
	}
	s, _ := v.(string)
	n, ok := medusa.ParseInt(s)
	switch {
	case !ok || math.IsInf(n, 0):
		r.Mistyped(name, "number", v)
	case n < 0:
		r.TooSmall(name, 0)
	}
	return n
}

// readOrder reads one column; a leading - means descending. Medusa can also sort by salt and
// deleted_at, which are the same for all keys here.
func readOrder(r *medusa.FieldsReader) store.Order {
	s, ok := r.Text("order")
	if !ok {
		return store.Order{}
	}
	name, desc := strings.CutPrefix(s, "-")
	switch by := store.Column(name); by {
	case store.ByID, store.ByTitle, store.ByType, store.ByToken, store.ByRedacted, store.ByCreatedAt, store.ByCreatedBy,
		store.ByUpdatedAt, store.ByRevokedAt, store.ByLastUsedAt:
		return store.Order{By: by, Desc: desc}
	case "salt", "deleted_at":
	default:
		r.Fault("Order field " + name + " is not valid")
	}
	return store.Order{}
}

// readWithDeleted checks a parameter without effect: deletion removes the row.
func readWithDeleted(r *medusa.FieldsReader) {
	v, there := r.Any("with_deleted")
	if s, ok := v.(string); there && (!ok || s != "true" && s != "false") {
		r.Mistyped("with_deleted", "boolean", v)
	}
}

// list answers GET /api-keys. As in Medusa, a limit or offset over 2^53 is ignored. A page of more
// than maxPage keys or maxAnswerBytes bytes is refused, so that the memory for an answer is
// bounded.
func (a *api) list(ctx context.Context, c call[struct{}, listQuery]) (medusa.Members, error) {
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
		const message = "Invalid request: Value for field 'limit' too big, expected at most: '%d'"
		return nil, store.Errorf(store.ErrInvalid, message, a.maxPage)
	}
	shown, err := a.show(ctx, keys, c.Query.Fields.over(defaultFields()), &store.Meter{Max: maxAnswerBytes})
	if err != nil {
		return nil, fmt.Errorf("admin: list: %w", err)
	}
	return medusa.Members{{"api_keys", shown}, {"count", count}, {"offset", c.Query.Offset}, {"limit", c.Query.Limit}}, nil
}
