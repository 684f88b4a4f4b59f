package cache

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// The simulated Redis is a translation of the scripts. It and a real one, which runs the scripts
// themselves, are given the same commands, and must give the same answers and hold the same in the
// end.
func TestSimulatedRedisIsLikeARealOne(t *testing.T) {
	ctx := context.Background()
	rdb := redis.NewClient(&redis.Options{Addr: servers.Redis(t).Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	ids := []store.LookupID{{1}, {2}, {3}}
	answers := map[string]int{}
	for run := range 60 {
		feed := fmt.Sprint("run", run)
		real, simulated := newRedisL2(rdb, "sim"), &redisState{marks: map[string]string{}, entries: map[place]redisEntry{}}
		c := chance{uint64(run)}
		for range 60 {
			some := ids[:1+c.below(3)]
			at := func() position { return position{int64(c.below(6)), store.Tag(c.below(2) * (1<<63 - 1))} }
			a, b := at(), at()
			if c.percent(20) {
				a.id, b.id = a.id+1<<40, b.id+1<<40
			}
			generation := []string{"g", "h", ""}[c.below(3)]
			known := simulated.marks[feed]
			if m, ok := parseWatermark(known); ok && c.percent(70) { // what fits
				a, generation = m.position, m.generation
				b = position{a.id + int64(c.below(3)), a.tag}
			}
			var what string
			var got, want any
			var err error
			switch c.below(7) {
			case 0:
				what = "advance"
				got, err = real.advance(ctx, feed, some, a, b)
				simulated, want = swap(simulated.advance(feed, some, a, b))
			case 1, 2:
				what = "fill"
				entry := fmt.Sprint(generation, "|", c.below(100))
				got, err = real.fill(ctx, feed, some[0], watermark{generation, b}, time.Hour, entry)
				simulated, want = swap(simulated.fill(feed, some[0], watermark{generation, b}, time.Hour, entry))
			case 3:
				what = "reset"
				expected, to := known, watermark{generation + "x", a}
				if c.percent(30) {
					expected = watermark{generation, b}.String()
				}
				got, err = real.reset(ctx, feed, expected, to)
				simulated, want = swap(simulated.reset(feed, expected, to))
			case 4:
				what = "damage"
				damaged := []string{"g:", ":3:0a", "g:3:4", "g", "g:-1:00", "g:1x:00", "", "h:03:0A"}[c.below(8)]
				err = rdb.Set(ctx, real.watermarkKey(feed), damaged, 0).Err()
				simulated = simulated.clone()
				simulated.marks[feed] = damaged
			default:
				what = "read"
				var mark string
				var entries []string
				mark, entries, err = real.entries(ctx, feed, some)
				got = fmt.Sprintf("%q %q", mark, entries)
				mark, entries = simulated.read(feed, some, 0)
				want = fmt.Sprintf("%q %q", mark, entries)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Fatalf("run %d: %s(%v, %v, %v, %q) on %q: the real one says %v, the simulated one %v", run, what, some, a, b, generation, known, got, want)
			}
			switch what {
			case "read":
			case "advance":
				answers[fmt.Sprintf("advance %v", got != known)]++
			default:
				answers[fmt.Sprintf("%s %v", what, got)]++
			}
		}
	}
	for _, what := range []string{"advance true", "advance false", "fill true", "fill false", "reset true", "reset false"} {
		if answers[what] == 0 {
			t.Errorf("%s did not happen: %v", what, answers)
		}
	}
}

func swap[T any](s *redisState, answer T) (*redisState, any) { return s, answer }
