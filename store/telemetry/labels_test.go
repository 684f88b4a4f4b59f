package telemetry_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
	"github.com/latchkey-go/latchkey/store/telemetry"
)

// vocabulary is every metric with labels, and all that each label may say. What is not here has
// none. It is written out, not derived from the code: a label that becomes unbounded must fail
// here.
var vocabulary = map[string]map[string]string{
	"latchkey.authentications":       {"result": "ok malformed unknown revoked expired forged wrong_type unavailable canceled"},
	"latchkey.denials":               {"reason": "no_credential conflict address rate_limited failures_limited plain_http foreign_origin"},
	"latchkey.cache.lookups":         {"layer": "process unknown redis store"},
	"latchkey.cache.entries":         {"kind": "key unknown"},
	"latchkey.cache.forged":          {"what": "record message"},
	"latchkey.cache.redis_fault":     {"operation": "read write publish subscribe"},
	"latchkey.cache.redis_error":     {"word": redisWords},
	"latchkey.ratelimit.requests":    {"by": "redis process"},
	"latchkey.ratelimit.redis_error": {"word": redisWords},
	"latchkey.change.duration": {
		"change": "create update revoke roll delete link_sales_channels import upgrade_imported_keys reseal report_leaks",
		"result": outcomes,
	},
	"latchkey.store.duration": {
		"operation": "lookup change get list count touch events prune feed join leave members",
		"result":    outcomes,
	},
	"latchkey.redis.duration":  {"operation": "read write mark advance reset publish", "result": outcomes},
	"latchkey.scrypt.duration": {"result": outcomes},
}

const redisWords = "NOPERM NOAUTH WRONGPASS READONLY MISCONF OOM LOADING BUSY MASTERDOWN CLUSTERDOWN NOREPLICAS MOVED DENIED" +
	" unknown_command UNREACHABLE ERR"

const outcomes = "ok not_found refused canceled unavailable error"

// points returns the label sets of a metric.
func points(t *testing.T, m metricdata.Metrics) (sets []attribute.Set) {
	t.Helper()
	switch data := m.Data.(type) {
	case metricdata.Sum[float64]:
		for _, p := range data.DataPoints {
			sets = append(sets, p.Attributes)
		}
	case metricdata.Gauge[float64]:
		for _, p := range data.DataPoints {
			sets = append(sets, p.Attributes)
		}
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			sets = append(sets, p.Attributes)
		}
	default:
		t.Errorf("%s is a %T", m.Name, m.Data)
	}
	return sets
}

func TestRequirement02WhatIsToldComesFromClosedListsAndHoldsNoSecret(t *testing.T) {
	i := newInstance(t, store.NewMemory(), servers.Redis(t).Addr())
	ctx, span := i.tracer.Start(t.Context(), "test")
	secrets := i.everything(ctx)
	span.End()
	metrics := i.collect()

	t.Run("labels of metrics", func(t *testing.T) {
		series := 0
		for _, m := range metrics {
			for _, set := range points(t, m) {
				series++
				if set.Len() != len(vocabulary[m.Name]) {
					t.Errorf("%s has the labels %v", m.Name, set.ToSlice())
				}
				for _, label := range set.ToSlice() {
					if allowed := strings.Fields(vocabulary[m.Name][string(label.Key)]); !slices.Contains(allowed, label.Value.AsString()) {
						t.Errorf("%s: %s=%q, want one of %v", m.Name, label.Key, label.Value.AsString(), allowed)
					}
				}
			}
		}
		if series < 80 {
			t.Errorf("only %d series: the run does not show what there is", series)
		}
	})
	t.Run("what is counted is there with every label, what is measured with several", func(t *testing.T) {
		for name, labels := range vocabulary {
			n := slices.IndexFunc(metrics, func(m metricdata.Metrics) bool { return m.Name == name })
			want := 2
			switch {
			case n < 0:
				t.Errorf("%s was not seen", name)
				continue
			case name == "latchkey.scrypt.duration": // goes well or not at all
				want = 1
			case labels["result"] != outcomes:
				for _, words := range labels {
					want = len(strings.Fields(words))
				}
			}
			if got := len(points(t, metrics[n])); got < want {
				t.Errorf("%s was seen with %d labels, want %d", name, got, want)
			}
		}
	})
	t.Run("each kind of authentication that the run made was counted", func(t *testing.T) {
		n := slices.IndexFunc(metrics, func(m metricdata.Metrics) bool { return m.Name == "latchkey.authentications" })
		for _, p := range metrics[n].Data.(metricdata.Sum[float64]).DataPoints {
			result, _ := p.Attributes.Value("result")
			switch made := slices.Contains([]string{"ok", "malformed", "unknown", "wrong_type", "unavailable"}, result.AsString()); {
			case made && p.Value == 0:
				t.Errorf("%s was not counted", result.AsString())
			case !made && p.Value != 0:
				t.Errorf("%s was counted", result.AsString())
			}
		}
	})
	t.Run("names and attributes of spans", func(t *testing.T) {
		seen := map[string]bool{}
		for _, span := range i.spans.Ended() {
			if span.Name() == "test" {
				continue
			}
			seen[span.Name()] = true
			words := strings.Fields(span.Name())
			if len(words) != 3 || words[0] != "latchkey" || !slices.Contains(telemetry.Operations(), words[1]+"."+words[2]) {
				t.Errorf("there is a span %q", span.Name())
			}
			for _, a := range span.Attributes() {
				if a.Key != "latchkey.result" || !slices.Contains(strings.Fields(outcomes), a.Value.AsString()) {
					t.Errorf("%s has the attribute %s=%q", span.Name(), a.Key, a.Value.AsString())
				}
			}
			if said := span.Status().Description; said != "" && !slices.Contains(strings.Fields(outcomes), said) {
				t.Errorf("%s has the status %q", span.Name(), said)
			}
			if len(span.Events()) > 0 {
				t.Errorf("%s has the events %v", span.Name(), span.Events())
			}
		}
		for _, want := range []string{"latchkey change roll", "latchkey store change", "latchkey redis advance", "latchkey redis read", "latchkey store lookup", "latchkey scrypt derive"} {
			if !seen[want] {
				t.Errorf("no span %q among %v", want, seen)
			}
		}
	})
	t.Run("no token, digest or title", func(t *testing.T) {
		told, err := json.Marshal(metrics)
		if err != nil {
			t.Fatal(err)
		}
		for _, span := range i.spans.Ended() {
			told = fmt.Appendf(told, "\n%s %v %v %v", span.Name(), span.Attributes(), span.Status(), span.Events())
		}
		log := i.log.String()
		for _, secret := range secrets {
			if strings.Contains(string(told), secret) {
				t.Errorf("%q is in metrics or spans", secret)
			}
			if strings.Contains(log, secret) {
				t.Errorf("%q is in the log", secret)
			}
		}
		if ids := regexp.MustCompile(`apk_\w+|canary`).FindString(string(told)); ids != "" {
			t.Errorf("%q is in metrics or spans", ids)
		}
		if !strings.Contains(log, `"key_id":"apk_`) || !strings.Contains(log, `"fingerprint":"`) {
			t.Errorf("the log names neither keys nor fingerprints:\n%.2000s", log)
		}
	})
}
