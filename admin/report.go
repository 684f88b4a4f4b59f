package admin

import (
	"context"
	"time"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
	"github.com/latchkey-go/latchkey/internal/meter"
	"github.com/latchkey-go/latchkey/store"
)

const (
	defaultIdleDays     = 90
	defaultExpiringDays = 30
	maxDays             = 36_500
	defaultReport       = 50
	maxReport           = 1000

	day = 24 * time.Hour
)

// concerns are the lists of the report, in order.
var concerns = []store.Concern{store.NeverUsed, store.Idle, store.WithoutExpiry, store.Expiring}

// reportQuery is the query of GET /api-keys/report. With Concern the report has only that list;
// with After the list starts after that id.
type reportQuery struct {
	IdleDays, ExpiringDays int64
	Types                  []store.Type // nil means both
	Concern                store.Concern
	After                  string
	Limit                  int64
}

func readReportQuery(r *medusa.FieldsReader) (q reportQuery) {
	q.IdleDays = r.QueryInteger("idle_days", defaultIdleDays, 1, maxDays)
	q.ExpiringDays = r.QueryInteger("expiring_days", defaultExpiringDays, 1, maxDays)
	if typ, ok := r.Choice("type", string(store.Publishable), string(store.Secret)); ok {
		q.Types = []store.Type{store.Type(typ)}
	}
	var names []string
	for _, c := range concerns {
		names = append(names, string(c))
	}
	concern, _ := r.Choice("concern", names...)
	q.Concern = store.Concern(concern)
	after, continued := r.Text("after")
	if q.After = after; continued && !r.Has("concern") {
		r.Fault("Field 'after' continues a single list: name it in field 'concern'")
	}
	q.Limit = r.QueryInteger("limit", defaultReport, 1, maxReport)
	return q
}

// report answers GET /api-keys/report: active keys that need a review. Each list is one
// page in the order of the ids, with the count of all such keys.
func (a *api) report(ctx context.Context, c call[struct{}, reportQuery]) (medusa.Members, error) {
	now, written := a.now(), meter.Meter{Max: maxAnswerBytes}
	answer := medusa.Members{
		{"at", medusa.TimeOrNull(now)}, {"idle_days", c.Query.IdleDays}, {"expiring_days", c.Query.ExpiringDays},
		{"limit", c.Query.Limit},
	}
	for _, concern := range concerns {
		if c.Query.Concern != "" && concern != c.Query.Concern {
			continue
		}
		span := time.Duration(c.Query.IdleDays) * day
		if concern == store.Expiring {
			span = time.Duration(c.Query.ExpiringDays) * day
		}
		keys, count, err := a.keys.ListAndCount(ctx, store.Query{
			Filter:   store.Filter{Types: c.Query.Types, And: []store.Filter{concern.Filter(now, span)}},
			AfterID:  c.Query.After,
			Limit:    int(c.Query.Limit) + 1,
			MaxBytes: maxAnswerBytes,
		})
		if err != nil {
			return nil, err
		}
		var next any
		if len(keys) > int(c.Query.Limit) {
			keys = keys[:c.Query.Limit]
			next = keys[len(keys)-1].ID
		}
		shown, err := a.show(ctx, keys, selectionOf(reportFields()), &written)
		if err != nil {
			return nil, err
		}
		list := medusa.Members{{"count", count}, {"api_keys", shown}, {"next_after", next}}
		answer = append(answer, medusa.Member{string(concern), list})
	}
	return answer, nil
}

// reportFields returns what the report shows of a key.
func reportFields() []string {
	return []string{"id", "title", "redacted", "type", "created_at", "last_used_at", "expires_at"}
}
