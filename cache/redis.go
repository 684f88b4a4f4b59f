package cache

import (
	"context"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/internal/redisfault"
	"github.com/latchkey-go/latchkey/store"
)

// The three scripts (protocol 7), and probe, which tries what they do. They compare texts, never
// numbers, of which Lua knows one kind.
var (
	//go:embed advance.lua
	advanceLua string
	//go:embed fill.lua
	fillLua string
	//go:embed reset.lua
	resetLua string
	//go:embed probe.lua
	probeLua string
)

// redisL2 is the shared memory in Redis:
//
//	<prefix>:{<feed>}:2:wm      the watermark, "<generation>:<id>:<tag>", without TTL
//	<prefix>:{<feed>}:2:e:<id>  an entry, "<generation>|<record>", with TTL; the lookup id in base64
//	<prefix>:{<feed>}:probe   there for a moment, after Redis has refused to write
//	<prefix>:{<feed>}:changes      channel: changes that have been committed
//	<prefix>:{<feed>}:ack:<member> channel: what is acknowledged to one process
//
// The braces keep all keys of a feed in one slot of a cluster. Programs of level 1 have a watermark
// and entries of their own, without the 2: they would not understand these, and an advance must
// drop every entry that its watermark is about. Moving ours removes theirs when it is behind, and
// while theirs is beyond ours, ours counts as absent: so neither answers from before a change of
// the other.
type redisL2 struct {
	rdb    redis.UniversalClient
	prefix string

	advanceScript, fillScript, resetScript, probeScript *redis.Script
}

func newRedisL2(rdb redis.UniversalClient, prefix string) *redisL2 {
	return &redisL2{
		rdb: rdb, prefix: prefix,
		advanceScript: redis.NewScript(advanceLua), fillScript: redis.NewScript(fillLua), resetScript: redis.NewScript(resetLua),
		probeScript: redis.NewScript(probeLua),
	}
}

func (r *redisL2) watermarkKey(feed string) string { return r.prefix + ":{" + feed + "}:2:wm" }

// olderKey is the watermark of programs of level 1, "<generation>:<id>".
func (r *redisL2) olderKey(feed string) string { return r.prefix + ":{" + feed + "}:wm" }

// keys are those of both watermarks and of entries.
func (r *redisL2) keys(feed string, ids []store.LookupID) []string {
	keys := make([]string, 0, 2+len(ids))
	keys = append(keys, r.watermarkKey(feed), r.olderKey(feed))
	for _, id := range ids {
		keys = append(keys, r.entryKey(feed, id))
	}
	return keys
}

func (r *redisL2) entryKey(feed string, id store.LookupID) string {
	var digits [43]byte // 32 bytes in base64
	base64.RawURLEncoding.Encode(digits[:], id[:])
	return r.prefix + ":{" + feed + "}:2:e:" + string(digits[:])
}

func (r *redisL2) entries(ctx context.Context, feed string, ids []store.LookupID) (string, []string, error) {
	keys := r.keys(feed, ids)
	values, err := r.rdb.MGet(ctx, keys...).Result()
	if err != nil {
		return "", nil, err
	}
	if len(values) != len(keys) {
		return "", nil, fmt.Errorf("MGET of %d keys returned %d values", len(keys), len(values))
	}
	found := make([]string, len(keys))
	for i, value := range values {
		found[i], _ = value.(string)
	}
	if isBehind(found[0], found[1]) {
		found[0] = ""
	}
	return found[0], found[2:], nil
}

// isBehind reports whether the watermark of level 1 is beyond ours.
func isBehind(raw, older string) bool {
	if older == "" {
		return false
	}
	ours, ok := parseWatermark(raw)
	_, number, _ := strings.Cut(older, ":")
	theirs, err := strconv.ParseInt(number, 10, 64)
	return ok && err == nil && theirs > ours.id
}

func (r *redisL2) watermark(ctx context.Context, feed string) (string, error) {
	raw, err := r.rdb.Get(ctx, r.watermarkKey(feed)).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return raw, err
}

func (r *redisL2) advance(ctx context.Context, feed string, ids []store.LookupID, prev, last position) (string, error) {
	return r.advanceScript.Run(ctx, r.rdb, r.keys(feed, ids), prev.String(), last.String()).Text()
}

func (r *redisL2) fill(ctx context.Context, feed string, id store.LookupID, at watermark, ttl time.Duration, entry string) (bool, error) {
	done, err := r.fillScript.Run(ctx, r.rdb, []string{r.watermarkKey(feed), r.entryKey(feed, id)}, at.String(), ttl.Milliseconds(), entry).Int64()
	return done == 1, err
}

func (r *redisL2) reset(ctx context.Context, feed string, expected string, to watermark) (bool, error) {
	done, err := r.resetScript.Run(ctx, r.rdb, []string{r.watermarkKey(feed), r.olderKey(feed)}, expected, to.String()).Int64()
	return done == 1, err
}

func (r *redisL2) probe(ctx context.Context, feed string) error {
	return r.probeScript.Run(ctx, r.rdb, []string{r.prefix + ":{" + feed + "}:probe"}).Err()
}

// channel is where messages to one process go, or those to all.
func (r *redisL2) channel(feed, to string) string {
	if to == "" {
		return r.prefix + ":{" + feed + "}:changes"
	}
	return r.prefix + ":{" + feed + "}:ack:" + to
}

func (r *redisL2) publish(ctx context.Context, feed, to, message string) error {
	return r.rdb.Publish(ctx, r.channel(feed, to), message).Err()
}

// How long nothing may be heard before the connection is tried, and how long it is then waited for.
const pingAfter = 2 * time.Second

// subscribe receives by itself: go-redis's channel of messages would drop what it has no room for, and reconnects in its own time.
func (r *redisL2) subscribe(ctx context.Context, feed, me string, s subscriber) error {
	own := r.channel(feed, me)
	sub := r.rdb.Subscribe(ctx, r.channel(feed, ""), own)
	stop := context.AfterFunc(ctx, func() { _ = sub.Close() }) // a context does not end a read
	defer stop()
	defer sub.Close()
	silent, opened := false, false
	for {
		got, err := sub.ReceiveTimeout(ctx, pingAfter)
		var timeout interface{ Timeout() bool }
		switch {
		case err == nil:
			silent = false
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &timeout) && timeout.Timeout() && !silent:
			silent = true
			if err := sub.Ping(ctx); err != nil {
				return err
			}
			continue
		case opened && redisfault.Word(err) != redisfault.Unreachable:
			// This answers a PING, which Redis refuses when it cannot save to disk, or to this
			// user. But it answers, and the subscription stands.
			silent = false
			continue
		default:
			return err
		}
		switch m := got.(type) {
		case *redis.Subscription:
			if m.Count == 2 {
				opened = true
				s.onOpen()
			}
		case *redis.Message:
			s.onMessage(m.Channel == own, m.Payload)
		}
	}
}

// isNil also finds the nil pointer in an interface, which programs make when they declare a *redis.Client that they do not always fill.
func isNil(rdb redis.UniversalClient) bool {
	if rdb == nil {
		return true
	}
	v := reflect.ValueOf(rdb)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// RecommendedRedisOptions sets those options that are still zero to what suits a cache, which is of no use when it is slow: read,
// write and pool timeouts of 50 ms, 500 ms for connecting, and no retries (the store is asked instead). go-redis's own defaults (5 s,
// three retries) are safe too, but after Redis has hung they keep connections and goroutines busy for longer.
func RecommendedRedisOptions(o *redis.UniversalOptions) {
	preset := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	preset(&o.ReadTimeout, DefaultRedisTimeout)
	preset(&o.WriteTimeout, DefaultRedisTimeout)
	preset(&o.PoolTimeout, DefaultRedisTimeout)
	preset(&o.DialTimeout, 10*DefaultRedisTimeout)
	if o.MaxRetries == 0 {
		o.MaxRetries = -1
	}
	if o.DialerRetries == 0 {
		o.DialerRetries = 1
	}
}
