package main

import (
	"fmt"
	"strings"
)

// module is what the packages' paths start with.
const module = "github.com/latchkey-go/latchkey/"

// benchmark is one run of go test. Rows that name the same one share its results.
type benchmark struct {
	pkg, name string
	// times says how long and how often. Benchmarks of nanoseconds run very often and very briefly,
	// and the best of them counts: on a machine that does other things too, some of the short ones
	// are left alone. The others compare by themselves, in turns.
	times string
	again int  // how often go test runs, on top of that: spread over time, a busy moment spoils none of the sub-benchmarks
	keys  bool // it takes -keys
}

var (
	warm     = benchmark{pkg: "middleware", name: "BenchmarkWarm", times: "-benchtime=5ms -count=20", again: 9}
	loopback = benchmark{pkg: "middleware", name: "BenchmarkLoopback", times: "-benchtime=1x", again: 9}
	scrypt   = benchmark{pkg: "middleware", name: "BenchmarkScrypt", times: "-benchtime=10x"}
	refused  = benchmark{pkg: "store", name: "BenchmarkRefused", times: "-benchtime=5ms -count=40", again: 1}
	redisHit = benchmark{pkg: "cache", name: "BenchmarkRedisHit", times: "-benchtime=1x", again: 4}
	// migration takes ten seconds before and what it needs during.
	migration = benchmark{pkg: "store/postgres", name: "BenchmarkMigration", times: "-benchtime=1x", keys: true}
	change    = benchmark{pkg: "store/dburl", name: "BenchmarkChange", times: "-benchtime=60x"}
	memory    = benchmark{pkg: "cache", name: "BenchmarkMemory", times: "-benchtime=1x"}
)

func lookup(db string) benchmark {
	return benchmark{pkg: "store/" + db, name: "BenchmarkLookup", times: "-benchtime=10000x"}
}

func table(db string) benchmark {
	return benchmark{pkg: "store/" + db, name: "BenchmarkTable", times: "-benchtime=2000x", keys: true}
}

// row is one line of the table: what is measured, what it is compared with, and what is to be
// reached.
type row struct {
	what, beside string
	from         benchmark
	goal         goal
	// read returns what was measured, as text for both sides, and the number that goal is about.
	read func(results) (ours, theirs string, value float64)
}

// goal is a bound: at most, or at least.
type goal struct {
	text  string
	bound float64
	least bool
}

func atMost(bound float64, text string) goal  { return goal{text: text, bound: bound} }
func atLeast(bound float64, text string) goal { return goal{text: text, bound: bound, least: true} }

// missed returns by what factor a value misses the goal: at most 1 when it is reached.
func (g goal) missed(value float64) float64 {
	switch {
	case g.least:
		return g.bound / value
	case g.bound == 0:
		return 1 + value
	default:
		return value / g.bound
	}
}

// rows are the targets of the project, in the order of docs/performance.md.
func rows() []row {
	all := []row{
		{"warm key, Echo guard", "bare Echo route", warm, atMost(800, "≤ bare + 800 ns"), minus("Echo/Secret", "Echo/bare")},
		{"warm key, Echo guard", "floor by hand: SHA-256, otter, context", warm, atMost(1.4, "≤ 1.4 ×"), times("Echo/Secret", "Echo/floor")},
		{"allocations of that", "Echo's KeyAuth", warm, atMost(1, "at most 1 more"), func(r results) (string, string, float64) {
			ours, theirs := r.lowest("Echo/Secret", "allocs/op"), r.lowest("Echo/KeyAuth", "allocs/op")
			return fmt.Sprint(ours), fmt.Sprint(theirs), ours - theirs
		}},
		{"warm key, Echo v5 guard", "bare Echo v5 route", warm, atMost(800, "≤ bare + 800 ns"), minus("Echo_v5/Secret", "Echo_v5/bare")},
		{"allocations of that", "", warm, atMost(2, "≤ 2"), func(r results) (string, string, float64) {
			n := r.lowest("Echo_v5/Secret", "allocs/op")
			return fmt.Sprint(n), "", n
		}},
		{"warm key, net/http guard", "bare handler", warm, atMost(800, "≤ bare + 800 ns"), minus("http/Secret", "http/bare")},
		{"last-used times on", "off", warm, atMost(30, "≤ 30 ns"), minus("http/Secret", "http/Secret,_last_use_not_tracked")},
		{"over loopback, 64 connections of Go's client", "the route unguarded", loopback, atLeast(0.95, "≥ 95 % of the throughput"), throughput("client=http")},
		{"the same, of a client that only counts bytes", "the route unguarded", loopback, atLeast(0.95, "≥ 95 % of the throughput"), throughput("client=bytes")},
		{"key from Redis, 1 caller", "raw GET", redisHit, atMost(1.25, "≤ 1.25 ×"), fromRedis("callers=1", "ratio")},
		{"key from Redis, 64 callers", "raw GET", redisHit, atLeast(2, "≥ 2 × the throughput"), fromRedis("callers=64", "speedup")},
	}
	for _, db := range []struct{ pkg, name string }{{"sqlite", "SQLite"}, {"postgres", "PostgreSQL"}} {
		all = append(all, row{"key from " + db.name, "the same SELECT by hand", lookup(db.pkg), atMost(1.3, "≤ 1.3 ×"), func(r results) (string, string, float64) {
			return nanoseconds(r.lowest("Alternating", "ns/store")), nanoseconds(r.lowest("Alternating", "ns/raw")), r.lowest("Alternating", "store/raw")
		}})
	}
	for _, how := range []struct{ name, text string }{{"Malformed", "malformed token refused"}, {"WrongChecksum", "wrong checksum refused"}} {
		all = append(all,
			row{how.text, "", refused, atMost(150, "≤ 150 ns"), func(r results) (string, string, float64) {
				ns := r.lowest(how.name, "ns/op")
				return nanoseconds(ns), "", ns
			}},
			row{"allocations of that", "", refused, atMost(0, "0"), func(r results) (string, string, float64) {
				n := r.lowest(how.name, "allocs/op")
				return fmt.Sprint(n), "", n
			}})
	}
	for _, db := range []struct{ pkg, name string }{{"sqlite", "SQLite"}, {"postgres", "PostgreSQL"}} {
		for _, op := range []struct {
			name, text string
			bound      float64
		}{{"Lookup", "lookup by token", 1.3}, {"FirstPage", "first page and count", 1.5}, {"Create", "create", 1.3}} {
			all = append(all, row{op.text + ", largest table, " + db.name, "1 000 keys", table(db.pkg), atMost(op.bound, fmt.Sprintf("≤ %v ×", op.bound)), func(r results) (string, string, float64) {
				return nanoseconds(r.ofLargest(op.name)), nanoseconds(r.lowest(op.name, "ns/1000-keys")), r.lowest(op.name, "growth")
			}})
		}
	}
	all = append(all,
		row{"99th percentile of lookups while the largest table is migrated, PostgreSQL", "before", migration, atMost(2, "≤ 2 ×"), func(r results) (string, string, float64) {
			return nanoseconds(r.lowest("", "ns/lookup-p99-during")), nanoseconds(r.lowest("", "ns/lookup-p99-before")), r.lowest("", "p99-ratio")
		}},
		row{"lookups and changes that fail meanwhile", "", migration, atMost(0, "0"), func(r results) (string, string, float64) {
			n := r.lowest("", "lookups-failed") + r.lowest("", "changes-failed")
			return fmt.Sprint(n), "", n
		}})
	for _, c := range []struct {
		name  string
		bound float64
	}{{"SQLite", 50}, {"PostgreSQL", 30}, {"PostgreSQL without LISTEN", 300}} {
		all = append(all, row{"revoke, two processes without Redis, " + c.name, "", change, atMost(c.bound, fmt.Sprintf("p50 ≤ %v ms", c.bound)), func(r results) (string, string, float64) {
			name := strings.ReplaceAll(c.name, " ", "_")
			p50 := r.lowest(name, "p50-ms")
			return fmt.Sprintf("p50 %.3g ms, p99 %.3g ms", p50, r.lowest(name, "p99-ms")), "", p50
		}})
	}
	return append(all,
		row{"a key in the process", "", memory, atMost(680, "≤ 680 bytes"), func(r results) (string, string, float64) {
			bytes := max(r.lowest("from=store", "process-bytes/key"), r.lowest("from=Redis", "process-bytes/key"))
			return fmt.Sprintf("%.0f bytes", bytes), "", bytes
		}},
		row{"a key in Redis", "", memory, atMost(400, "≤ 400 bytes"), func(r results) (string, string, float64) {
			bytes := r.lowest("from=Redis", "redis-bytes/key")
			return fmt.Sprintf("%.0f bytes", bytes), "", bytes
		}},
		row{"100 000 unknown tokens", "", memory, atMost(32, "≤ 32 MB resident"), func(r results) (string, string, float64) {
			mb := r.lowest("unknown", "resident-MB")
			return fmt.Sprintf("%.0f MB", mb), "", mb
		}},
		row{"valid keys that these push out", "", memory, atMost(0, "0"), func(r results) (string, string, float64) {
			n := r.lowest("unknown", "keys-lost")
			return fmt.Sprint(n), "", n
		}},
		row{"processor time of a warm request", "Medusa's scrypt", scrypt, atLeast(30_000, "≥ 30 000 × less"), func(r results) (string, string, float64) {
			return nanoseconds(r.lowest("", "cpu-ns/request")), nanoseconds(r.lowest("", "cpu-ns/scrypt")), r.lowest("", "ratio")
		}},
	)
}

func minus(ours, theirs string) func(results) (string, string, float64) {
	return func(r results) (string, string, float64) {
		a, b := r.lowest(ours, "ns/op"), r.lowest(theirs, "ns/op")
		return nanoseconds(a), nanoseconds(b), a - b
	}
}

func times(ours, theirs string) func(results) (string, string, float64) {
	return func(r results) (string, string, float64) {
		a, b := r.lowest(ours, "ns/op"), r.lowest(theirs, "ns/op")
		return nanoseconds(a), nanoseconds(b), a / b
	}
}

func fromRedis(callers, unit string) func(results) (string, string, float64) {
	return func(r results) (string, string, float64) {
		return nanoseconds(r.median(callers, "ns/lookup")), nanoseconds(r.median(callers, "ns/GET")), r.median(callers, unit)
	}
}

// nanoseconds writes a duration with three digits.
func nanoseconds(ns float64) string {
	switch {
	case ns < 1e3:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 1e6:
		return fmt.Sprintf("%.3g µs", ns/1e3)
	default:
		return fmt.Sprintf("%.3g ms", ns/1e6)
	}
}

// throughput reads what a client got through, with the guard and without.
func throughput(client string) func(results) (string, string, float64) {
	perSecond := func(n float64) string { return fmt.Sprintf("%.0f/s", n) }
	return func(r results) (string, string, float64) {
		return perSecond(r.median(client, "req/s")), perSecond(r.median(client, "bare-req/s")), r.median(client, "share")
	}
}
