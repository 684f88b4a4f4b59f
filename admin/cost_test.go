package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/admin"
)

// shape is a value of a field that is as long as wanted.
type shape struct {
	name string
	of   func(n int) any // of about n elements
}

// shapes are what somebody may send in the place of any field. Those of bytes have no bound but
// that of the request; those of elements stay within the bound of a list, so that they are not
// refused before they are read.
func shapes() (bytes, elements []shape) {
	each := func(n int, one func(i int) any) []any {
		list := make([]any, n)
		for i := range list {
			list[i] = one(i)
		}
		return list
	}
	name := func(i int) string { return fmt.Sprintf("sc_%06d", i) }
	repeated := func(text string) func(int) any {
		return func(n int) any { return strings.Repeat(text, n/len(text)) }
	}
	bytes = []shape{
		{"signed names", func(n int) any {
			return strings.Repeat("+title,", n/14) + strings.Repeat("-token,", n/14)
		}},
		{"other signed names", func(n int) any { return strings.Repeat("+a,", n/6) + strings.Repeat("-b,", n/6) }},
		{"names", repeated("*sales_channels,id,")},
		{"commas", repeated(",")},
		{"words", repeated("a ")},
		{"beginnings of tokens", repeated("sk_")},
		{"beginnings of tokens with a namespace", repeated("sk_ab_")},
		{"nearly tokens", repeated("sk_" + strings.Repeat("a", 48) + "sk_" + strings.Repeat("0", 63))},
		{"escapes", repeated("%25")},
		{"a list of texts", func(n int) any { return each(n/4, func(int) any { return "x" }) }},
		{"a list of objects", func(n int) any { return each(n/3, func(int) any { return map[string]any{} }) }},
		{"a list of filters", func(n int) any { return each(n/10, func(int) any { return map[string]any{"id": "x"} }) }},
		{"an object", func(n int) any {
			o := map[string]any{}
			for i := range n / 14 {
				o[name(i)] = "x"
			}
			return o
		}},
		{"an object of indices", func(n int) any {
			o := map[string]any{}
			for i := range n / 10 {
				o[fmt.Sprint(i)] = "x"
			}
			return o
		}},
		{"lists within lists", func(n int) any {
			var v any = strings.Repeat("x", n)
			for range 90 {
				v = []any{v, 1}
			}
			return v
		}},
	}
	elements = []shape{
		{"different texts", func(n int) any { return each(n, func(i int) any { return name(i) }) }},
		{"networks", func(n int) any {
			return each(n, func(i int) any { return fmt.Sprintf("10.%d.%d.0/24", i/250, i%250) })
		}},
		{"times", func(n int) any {
			return each(n, func(i int) any { return fmt.Sprintf("%d January 2026 3:04 pm", i%28+1) })
		}},
		{"no times", func(n int) any { return each(n, func(int) any { return "2 Januarius 2026" }) }},
		{"filters of times", func(n int) any {
			return each(n/4, func(int) any { return map[string]any{"created_at": map[string]any{"$in": []any{"now", "x"}}} })
		}},
	}
	return bytes, elements
}

// parameters returns a value as the parameters of a query: lists as field[]=…, objects as
// field[name]=…, as many as a query may hold.
func parameters(field string, v any) string {
	var parts []string
	add := func(name, value string) {
		if len(parts) < 990 {
			parts = append(parts, url.QueryEscape(name)+"="+url.QueryEscape(value))
		}
	}
	switch v := v.(type) {
	case string:
		add(field, v)
	case []any:
		for i, element := range v {
			switch element := element.(type) {
			case map[string]any:
				for name, value := range element {
					add(fmt.Sprintf("%s[%d][%s]", field, i%20, name), fmt.Sprint(value))
				}
			default:
				add(field+"[]", fmt.Sprint(element))
			}
		}
	case map[string]any:
		for name, value := range v {
			add(field+"["+name+"]", fmt.Sprint(value))
		}
	}
	return strings.Join(parts, "&")
}

// Sixteen times as much of anything costs about sixteen times as much, in time and in memory, on
// every route and in every field that it takes, and in one that it does not. What grows with the
// square would cost 256 times as much. Only quotients are compared, so that the machine does not
// matter.
func TestRequirement35TheCostOfARequestGrowsNoFasterThanItsSizeMore(t *testing.T) {
	inBytes, inElements := shapes()
	everyRoute(t, func(t *testing.T, _, method, target, body string) {
		f := rawly(t, admin.Options{SalesChannels: everyChannel{}, Logger: quiet})
		shop := f.publishable("shop")
		target = strings.Replace(target, "{id}", shop.ID, 1)
		route := routeOf(t, f, method, target)
		base := map[string]any{}
		if body != "" {
			if err := json.Unmarshal([]byte(body), &base); err != nil {
				t.Fatal(err)
			}
		}
		for _, scale := range []struct {
			shapes      []shape
			small, most int
		}{{inBytes, 2_000, 32_000}, {inElements, 60, 960}} {
			for _, s := range scale.shapes {
				for _, field := range append(route.Query, "nonsense", "no.sense") {
					growsLinearly(t, field+" in the query: "+s.name, scale.small, scale.most, func(n int) func() {
						to := target + "?" + parameters(field, s.of(n))
						return func() { f.do(method, to, body) }
					})
				}
				if route.Body == nil {
					continue
				}
				for _, field := range append(route.Body, "nonsense") {
					growsLinearly(t, field+" in the body: "+s.name, scale.small, scale.most, func(n int) func() {
						sent := map[string]any{}
						for name, value := range base {
							sent[name] = value
						}
						sent[field] = s.of(n)
						text, err := json.Marshal(sent)
						if err != nil {
							t.Fatal(err)
						}
						return func() { f.do(method, target, string(text)) }
					})
				}
			}
		}
		growsLinearly(t, "a form's one name", 60, 960, func(n int) func() {
			form := strings.Repeat("title=abcdefgh&", n)
			return func() { f.do(method, target, form, "Content-Type", "application/x-www-form-urlencoded") }
		})
		growsLinearly(t, "a path", 2_000, 32_000, func(n int) func() {
			to := strings.Replace(target, shop.ID, strings.Repeat("sk_", n/3), 1)
			return func() { f.do(method, to, body) }
		})
	})
}

// routeOf returns the line of the route table that answers.
func routeOf(t *testing.T, f *fixture, method, target string) admin.Route {
	t.Helper()
	pattern := method + " " + target
	for _, r := range admin.Routes(f.keys) {
		before, after, _ := strings.Cut(r.Pattern, "{id}")
		if r.Pattern == pattern || before != r.Pattern && strings.HasPrefix(pattern, before+"apk_") && strings.HasSuffix(pattern, after) &&
			strings.Count(pattern, "/") == strings.Count(r.Pattern, "/") {
			return r
		}
	}
	t.Fatalf("no route is %s", pattern)
	return admin.Route{}
}

// everyChannel is a shop that has every channel.
type everyChannel struct{}

func (everyChannel) ByID(_ context.Context, ids []string) ([]admin.SalesChannel, error) {
	list := make([]admin.SalesChannel, len(ids))
	for i, id := range ids {
		list[i] = admin.SalesChannel{ID: id, Name: id}
	}
	return list, nil
}

// growsLinearly compares what a request of size most costs with one of size small. What looks wrong
// is measured again: another program may have taken the machine.
func growsLinearly(t *testing.T, what string, small, most int, request func(n int) func()) {
	t.Helper()
	few, many := request(small), request(most)
	times := float64(most / small)
	var quotient, memory float64
	for attempt := range 8 {
		a, allocatedA := cost(few, 1+attempt)
		b, allocatedB := cost(many, 1+attempt)
		quotient, memory = b/a, allocatedB/allocatedA
		if quotient <= 6*times && memory <= 2*times {
			return
		}
	}
	t.Errorf("%s: %.0f times as much costs %.0f times the time and %.0f times the memory", what, times, quotient, memory)
}

// cost returns the least time of some runs and how many bytes one allocates.
func cost(run func(), runs int) (least, allocated float64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range runs {
		start := time.Now()
		run()
		if took := float64(time.Since(start)); i == 0 || took < least {
			least = took
		}
	}
	runtime.ReadMemStats(&after)
	return least, float64(after.TotalAlloc-before.TotalAlloc) / float64(runs)
}
