package admin

import (
	"context"
	"time"

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

// concerns returns what the report is about, in its order.
func concerns() []store.Concern {
	return []store.Concern{store.NeverUsed, store.Idle, store.WithoutExpiry, store.Expiring}
}

// reportQuery is the query of GET /api-keys/report. With After the report is of the one Concern alone, and continues behind that id.
type reportQuery struct {
	IdleDays, ExpiringDays int64
	Types                  []store.Type // nil: both
	Concern                store.Concern
	After                  string
	Limit                  int64
}

func readReportQuery(r *reader) (q reportQuery) {
	q.IdleDays = r.wholeText("idle_days", defaultIdleDays, 1, maxDays)
	q.ExpiringDays = r.wholeText("expiring_days", defaultExpiringDays, 1, maxDays)
	if typ, ok := r.choice("type", string(store.Publishable), string(store.Secret)); ok {
		q.Types = []store.Type{store.Type(typ)}
	}
	var names []string
	for _, c := range concerns() {
		names = append(names, string(c))
	}
	concern, _ := r.choice("concern", names...)
	q.Concern = store.Concern(concern)
	after, continued := r.text("after")
	_, one := r.from.get("concern")
	if q.After = after; continued && !one {
		r.fault("Field 'after' continues a single list: name it in field 'concern'")
	}
	q.Limit = r.wholeText("limit", defaultReport, 1, maxReport)
	return q
}

// report answers GET /api-keys/report: the keys that work and that deserve a look. Each list is a page in the order of the ids, and its
// count is of all.
func (a *api) report(ctx context.Context, c call[struct{}, reportQuery]) (members, error) {
	now, written := a.now(), meter.Meter{Max: maxAnswerBytes}
	answer := members{
		{"at", timeOrNull(now)}, {"idle_days", c.Query.IdleDays}, {"expiring_days", c.Query.ExpiringDays}, {"limit", c.Query.Limit},
	}
	for _, concern := range concerns() {
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
		answer = append(answer, member{string(concern), members{{"count", count}, {"api_keys", shown}, {"next_after", next}}})
	}
	return answer, nil
}

// reportFields is what the report shows of a key: what it is called, and the times that make it a concern.
func reportFields() []string {
	return []string{"id", "title", "redacted", "type", "created_at", "last_used_at", "expires_at"}
}
