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

// The three scripts (protocol 7), and probe, which tries the commands that they use. They compare
// texts, never numbers: Lua's numbers are not exact.
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

// redisL2 implements l2Store in Redis:
//
//	<prefix>:{<feed>}:2:wm         the watermark, "<generation>:<id>:<tag>", without TTL
//	<prefix>:{<feed>}:2:e:<id>     an entry, "<generation>|<record>", with TTL; the id in base64
//	<prefix>:{<feed>}:probe        exists for a moment, after Redis has refused to write
//	<prefix>:{<feed>}:changes      channel: announcements of changes
//	<prefix>:{<feed>}:ack:<member> channel: acknowledgements to one process
//
// The braces put all keys of a feed in one slot of a cluster. Programs of level 1 have their own
// watermark and entries, without the 2: an advance must delete every entry that its watermark
// covers, and they do not know the new names. Moving the watermark of level 2 deletes that of level
// 1 when it is behind. While that of level 1 is ahead, that of level 2 counts as absent. So neither
// level answers without a change of the other (protocol 17).
type redisL2 struct {
	rdb    redis.UniversalClient
	prefix string

	advanceScript, fillScript, resetScript, probeScript *redis.Script
}

func newRedisL2(rdb redis.UniversalClient, prefix string) *redisL2 {
	return &redisL2{
		rdb: rdb, prefix: prefix,
		advanceScript: redis.NewScript(advanceLua), fillScript: redis.NewScript(fillLua),
		resetScript: redis.NewScript(resetLua),
		probeScript: redis.NewScript(probeLua),
	}
}

func (r *redisL2) watermarkKey(feed string) string { return r.prefix + ":{" + feed + "}:2:wm" }

// olderKey is the watermark of programs of level 1, "<generation>:<id>".
func (r *redisL2) olderKey(feed string) string { return r.prefix + ":{" + feed + "}:wm" }

// keys returns the keys of both watermarks and of the entries.
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

// isBehind reports whether the watermark of level 1 is ahead of that of level 2.
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

func (r *redisL2) fill(ctx context.Context, feed string, id store.LookupID, at watermark, ttl time.Duration,
	entry string,
) (bool, error) {
	keys := []string{r.watermarkKey(feed), r.entryKey(feed, id)}
	done, err := r.fillScript.Run(ctx, r.rdb, keys, at.String(), ttl.Milliseconds(), entry).Int64()
	return done == 1, err
}

func (r *redisL2) reset(ctx context.Context, feed string, expected string, to watermark) (bool, error) {
	keys := []string{r.watermarkKey(feed), r.olderKey(feed)}
	done, err := r.resetScript.Run(ctx, r.rdb, keys, expected, to.String()).Int64()
	return done == 1, err
}

func (r *redisL2) probe(ctx context.Context, feed string) error {
	return r.probeScript.Run(ctx, r.rdb, []string{r.prefix + ":{" + feed + "}:probe"}).Err()
}

// channel returns the channel for messages to one process, or to all when to is "".
func (r *redisL2) channel(feed, to string) string {
	if to == "" {
		return r.prefix + ":{" + feed + "}:changes"
	}
	return r.prefix + ":{" + feed + "}:ack:" + to
}

func (r *redisL2) publish(ctx context.Context, feed, to, message string) error {
	return r.rdb.Publish(ctx, r.channel(feed, to), message).Err()
}

// pingAfter is how long a subscription may be silent before a PING tests the connection, and how
// long the answer to that may take.
const pingAfter = 2 * time.Second

// subscribe receives messages itself: go-redis's Channel drops messages when its buffer is full,
// and reconnects by its own schedule.
func (r *redisL2) subscribe(ctx context.Context, feed, me string, s subscriber) error {
	own := r.channel(feed, me)
	sub := r.rdb.Subscribe(ctx, r.channel(feed, ""), own)
	stop := context.AfterFunc(ctx, func() { _ = sub.Close() }) // the context does not interrupt a read
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
			// This answers the PING. Redis refuses PING when it cannot save to disk, or to this
			// user. But it answers, and the subscription stays open.
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

// isNil also detects a nil pointer in the interface: programs declare a *redis.Client and do not
// always set it.
func isNil(rdb redis.UniversalClient) bool {
	if rdb == nil {
		return true
	}
	v := reflect.ValueOf(rdb)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// RecommendedRedisOptions sets the options that are zero to values for a cache, which is useless
// when slow: 50 ms for reads, writes and the pool, 500 ms for connecting, and no retries (the store
// is read instead). go-redis's own defaults (5 s, three retries) are safe too, but after Redis has
// hung they block connections and goroutines for longer.
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
