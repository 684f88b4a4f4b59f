package keyauth_test

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
	d := s.Denied
	for name, n := range map[string]uint64{
		"no_credential": d.NoCredential, "conflict": d.Conflict, "address": d.Address, "rate_limited": d.RateLimited,
		"failures_limited": d.FailuresLimited, "plain_http": d.PlainHTTP, "foreign_origin": d.ForeignOrigin,
	} {
		all[reasons+name] = float64(n)
	}
	return all
}
