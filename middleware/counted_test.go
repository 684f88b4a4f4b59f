package keyauth_test

import "github.com/latchkey-go/latchkey/store"

// counted returns how often requests were refused, by metric and label.
func counted(w *world) map[string]float64 {
	const results, reasons = "latchkey.authentications/", "latchkey.denials/"
	s := w.keys.Stats()
	all := map[string]float64{}
	for name, n := range map[string]uint64{
		results + "ok": s.Authenticated, results + "malformed": s.Malformed, results + "unknown": s.Unknown, results + "revoked": s.Revoked,
		results + "expired": s.Expired, results + "forged": s.Forged, results + "wrong_type": s.WrongType, results + "unavailable": s.Unavailable,
		results + "canceled": s.Canceled,
	} {
		all[name] = float64(n)
	}
	for d, name := range map[store.Denial]string{
		store.DeniedNoCredential: "no_credential", store.DeniedConflict: "conflict", store.DeniedAddress: "address",
		store.DeniedRateLimited: "rate_limited", store.DeniedFailuresLimited: "failures_limited", store.DeniedPlainHTTP: "plain_http",
		store.DeniedForeignOrigin: "foreign_origin",
	} {
		all[reasons+name] = float64(s.Denied[d])
	}
	return all
}
