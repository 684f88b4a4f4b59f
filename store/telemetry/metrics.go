package telemetry

import (
	"github.com/latchkey-go/latchkey/internal/observe"
	"github.com/latchkey-go/latchkey/store"
)

// reasons are the words of the label reason, by store.Denial.
var reasons = [len(store.Stats{}.Denied)]string{
	store.DeniedNoCredential:    "no_credential",
	store.DeniedConflict:        "conflict",
	store.DeniedAddress:         "address",
	store.DeniedRateLimited:     "rate_limited",
	store.DeniedFailuresLimited: "failures_limited",
	store.DeniedPlainHTTP:       "plain_http",
	store.DeniedForeignOrigin:   "foreign_origin",
}

// metricsOf returns all numbers of Keys.
func metricsOf(s store.Stats) []observe.Metric {
	result := func(is string, n uint64) observe.Metric {
		return observe.Counter("latchkey.authentications", "{authentication}", "Credentials that were checked, by result.", n).With("result", is)
	}
	all := []observe.Metric{
		result("ok", s.Authenticated), result("malformed", s.Malformed), result("unknown", s.Unknown), result("revoked", s.Revoked),
		result("expired", s.Expired), result("forged", s.Forged), result("wrong_type", s.WrongType), result("unavailable", s.Unavailable),
		result("canceled", s.Canceled),
		observe.Counter("latchkey.forged_records", "{record}", "Records in the database whose proof does not verify, each time that one was met.", s.Alarms),
		observe.Counter("latchkey.scrypt.computed", "{token}", "Computations of scrypt for tokens of imported keys.", s.Scrypts),
		observe.Counter("latchkey.scrypt.refused", "{token}", "Tokens of imported keys that could not be checked because too many were being.", s.ScryptsBusy),
		observe.Counter("latchkey.imported.upgraded", "{key}", "Imported keys that were given their lookup ids after their first use.", s.Upgraded),
		observe.Counter("latchkey.imported.upgrades_lost", "{key}", "Imported keys that could not be given their lookup ids; their next use tries again.", s.UpgradesLost),
		observe.Gauge("latchkey.last_used.waiting", "{key}", "Last-used times that are still to be written.", float64(s.UsesWaiting)),
		observe.Counter("latchkey.last_used.written", "{key}", "Last-used times that have been written.", s.UsesWritten),
		observe.Counter("latchkey.last_used.lost", "{use}", "Uses that were not noted for lack of room.", s.UsesLost),
		observe.Counter("latchkey.last_used.flush_errors", "{flush}", "Writings of last-used times that failed, in whole or in part.", s.FlushErrors),
	}
	for d, n := range s.Denied {
		all = append(all, observe.Counter("latchkey.denials", "{request}",
			"Requests that a guard turned away for reasons other than a bad key, by reason.", n).With("reason", reasons[d]))
	}
	return all
}
