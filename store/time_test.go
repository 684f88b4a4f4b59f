package store_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

var (
	epoch   = time.UnixMilli(0).UTC()
	moments = []time.Time{ // in order
		time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), {}, time.Time{}.Add(time.Millisecond), epoch.Add(-time.Millisecond), epoch, epoch.Add(time.Millisecond), start,
		time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC),
	}
)

func TestTime(t *testing.T) {
	t.Run("is the same moment there and back, 1970 and what is before it included", func(t *testing.T) {
		for _, at := range moments {
			got := store.TimeOf(at)
			if got.Time() != at || got.UnixMilli() != at.UnixMilli() || got != store.TimeOf(got.Time()) || got != store.TimeOf(at.In(time.FixedZone("", 3600))) {
				t.Errorf("%s became %s", at, got)
			}
		}
	})
	t.Run("is not set for the zero time alone", func(t *testing.T) {
		for _, at := range moments {
			if got := store.TimeOf(at); got.IsZero() != at.IsZero() || (got == store.Time{}) != at.IsZero() {
				t.Errorf("%s: set is %v", at, !got.IsZero())
			}
		}
	})
	t.Run("is in the order of the moments", func(t *testing.T) {
		for _, a := range moments {
			for _, b := range moments {
				x, y := store.TimeOf(a), store.TimeOf(b)
				if store.TimeBefore(x, y) != a.Before(b) || store.TimeAfter(x, y) != a.After(b) || store.TimeCompare(x, y) != a.Compare(b) || (x == y) != a.Equal(b) {
					t.Errorf("%s and %s are in another order than %s and %s", x, y, a, b)
				}
			}
		}
	})
	t.Run("is without what is less than a millisecond", func(t *testing.T) {
		for _, at := range moments {
			if got := store.TimeOf(at.Add(time.Millisecond - 1)); got != store.TimeOf(at) {
				t.Errorf("%s and almost a millisecond became %s", at, got)
			}
		}
	})
	t.Run("is the furthest when it cannot be told", func(t *testing.T) {
		for _, far := range []time.Time{time.Unix(1<<60, 0), time.UnixMilli(math.MaxInt64)} {
			if got := store.TimeOf(far); !store.TimeAfter(got, store.TimeOf(moments[len(moments)-1])) {
				t.Errorf("a time to come became %s", got)
			}
		}
		for _, far := range []time.Time{time.Unix(-1<<60, 0), time.UnixMilli(math.MinInt64)} {
			if got := store.TimeOf(far); !store.TimeBefore(got, store.TimeOf(moments[0])) {
				t.Errorf("a time long past became %s", got)
			}
		}
	})
	t.Run("is in JSON what the time.Time is", func(t *testing.T) {
		for _, at := range moments[1:] {
			want, _ := json.Marshal(at)
			got, err := json.Marshal(store.TimeOf(at))
			var back store.Time
			if err != nil || string(got) != string(want) || json.Unmarshal(got, &back) != nil || back != store.TimeOf(at) {
				t.Errorf("%s became %s and %s, %v; want %s", at, got, back, err, want)
			}
		}
		if back := store.TimeOf(start); json.Unmarshal([]byte(`"yesterday"`), &back) == nil || back != store.TimeOf(start) {
			t.Errorf("no time became %s", back)
		}
	})
	t.Run("is shown as on the wire", func(t *testing.T) {
		if got := store.TimeOf(epoch).String() + ", " + (store.Time{}).String(); got != "1970-01-01T00:00:00.000Z, not set" {
			t.Error(got)
		}
	})
}

func TestCheckComparesMilliseconds(t *testing.T) {
	at := start.Add(time.Hour)
	for name, key := range map[string]store.Key{
		"expiry": {Type: store.Secret, ExpiresAt: store.TimeOf(at)}, "revocation": {Type: store.Secret, RevokedAt: store.TimeOf(at)},
		"expiry in 1970": {Type: store.Secret, ExpiresAt: store.TimeOf(epoch)},
	} {
		end := max(key.ExpiresAt.UnixMilli(), key.RevokedAt.UnixMilli())
		if err := key.Check(time.UnixMilli(end).Add(-1)); err != nil {
			t.Errorf("%s: a nanosecond before: %v", name, err)
		}
		if err := key.Check(time.UnixMilli(end)); err == nil {
			t.Errorf("%s: at that very moment the key works", name)
		}
	}
}
