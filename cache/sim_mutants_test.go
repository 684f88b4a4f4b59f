package cache

// To add a mutation: break one rule with as few edits as possible (edit says how a place is named)
// and name the faults under which TestSimulation notices soonest, or the test that notices. A plain
// "go test ./cache -run TestMutations" checks that every place is there and that the result is Go;
// with "-sim.mutations RULE" it is built and must be noticed. An edit of something as small as an
// expression goes on working when the code around it changes.

// stretched lets time pass between steps that follow one another at once.
var stretched = []edit{
	replace("cache.go", "publishing sync.Mutex", "publishing patientMutex"),

	addBefore("(*Cache).lookupL1", "now, at := c.clock.read()", `c.stretch("Lookup: epoch")`),
	addBefore("(*Cache).lookupL1", "k, ok := e.keys.GetIfPresent(l1KeyOf(id))", `c.stretch("Lookup: clock")`),
	addBefore("(*Cache).Lookup", "return c.lookupMiss(ctx, e, id, redacted)", `c.stretch("Lookup: missed")`),
	addBefore("(*Cache).load", "k := &l1Entry{}", `c.stretch("load: need")`),
	addBefore("(*Cache).load", "return k, nil", `c.stretch("load: found")`),
	addBefore("(*Cache).load: case answer.Record == nil && len(answer.Legacy) == 0:", "", `c.stretch("load: unknown")`),

	addBefore("(*Cache).applyFeed: default:", "e.raiseHeads(feed.Head, newestActivation(feed.Events))", `c.stretch("poll: apply")`),
	addAfter("(*Cache).applyFeed: default:", "e.raiseHeads(feed.Head, newestActivation(feed.Events))", `c.stretch("poll: need")`),
	addAfter("(*Cache).applyFeed", "e.keys.Invalidate(l1KeyOf(event.LookupID))", `c.stretch("poll: invalidate")`),
	addBefore("(*Cache).applyFeed", "e.freshAt.Store(&began)", `c.stretch("poll: last")`),

	addAfter("(*Cache).applyAnnouncement", "e.raiseHeads(a.last, a.lastActivation)", `c.stretch("message: need")`),
	addAfter("(*Cache).applyAnnouncement", "e.keys.Invalidate(l1KeyOf(id))", `c.stretch("message: invalidate")`),

	addBefore("(*Cache).Change", "p := &propagation{change: change, committed: c.clock.now(), wait: c.o.wait()}",
		`c.stretch("change: committed")`),
	addBefore("(*Cache).propagate", "p.acks = c.acks.await()", `c.stretch("change: settle")`),
}

// mutations are the rules of the protocol, each broken once. The numbers are those of
// docs/protocol.md.
//
// A rule is not here when nothing becomes wrong without it, only slower (who asks for a repair and
// when, message after advance, limits and TTLs), or when another rule catches what it would: head
// and events read apart (3.3) and a watermark beyond the head (6.2) look like gaps, a repair that
// was overtaken (6.3) leaves a watermark behind the required head, and entries name the generation
// that fill compares (7).
var mutations = []mutation{
	{rule: "1.1: the lease ends by the monotonic clock", faults: "clock jump,store cut,bus", edits: []edit{
		replace("instant.elapsed", "max(now.mono-since.mono, now.wall-since.wall)", "now.wall - since.wall"),
	}},
	{rule: "1.1: the lease ends by the wall clock", faults: "standstill,bus", edits: []edit{
		replace("instant.elapsed", "max(now.mono-since.mono, now.wall-since.wall)", "now.mono - since.mono"),
	}},
	{rule: "1.2: memory is used within a lease of the last poll only", faults: "store cut,bus", edits: []edit{
		replace("(*Cache).lookupL1", "e == nil || c.o.ChangesOnly || e.age(now) > c.o.Lease", "e == nil || c.o.ChangesOnly"),
	}},
	{rule: "2.2a: the loader reads the required head", faults: "fail-over", edits: []edit{
		addAfter("(*Cache).lookupMiss", "if err := ctx.Err(); err != nil { return store.Found{}, unavailable(err) }",
			"required := e.requiredHead.Load()"),
		replace("(*Cache).lookupMiss", "c.load(ctx, e, id, redacted)", "c.load(ctx, e, id, redacted, required)"),
		addBefore("(*Cache).lookupMiss", "k, err := c.loadShared(ctx, e, l1KeyOf(id), load)", `c.stretch("need")`),
		replace("(*Cache).load", "redacted string", "redacted string, required int64"),
		omit("(*Cache).load", "required := e.requiredHead.Load()"),
	}},
	{rule: "2.2b: a watermark behind the required head does not count", faults: "fail-over", edits: []edit{
		replace("(*Cache).readL2", "!ok || current.id < required", "!ok"),
	}},
	{rule: "2.2b: an entry of another generation does not count", faults: "redis loss", edits: []edit{
		replace("entryCodec.decode", "!ok || found != generation", "!ok"),
		addAfter("entryCodec.decode", `found, rest, ok := strings.Cut(entry, "|")`, "_ = found"),
	}},
	{rule: "2.2b: the watermark and the entry are of one moment", faults: "redis cut,bus", edits: []edit{
		addBefore("redisLink.entries", "return a.mark, a.entries, err", `if err == nil {
			a.mark, err = l.watermark(context.Background(), feed)
		}`),
	}},
	{rule: "2.2c: the record and the head are of one moment", faults: "", edits: []edit{
		replace("storeLink.Lookup", "(l storeLink) Lookup",
			`(l storeLink) Lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {
			found, err := l.lookup(ctx, id, redacted)
			if err == nil {
				var feed store.Feed
				feed, err = l.Feed(ctx, maxEventID, 1)
				found.Head = feed.Head
			}
			return found, err
		}

		func (l storeLink) lookup`),
	}},
	{rule: "2.2: a lookup that contradicts what is known stops answers from memory", by: "TestScenarios/2.2", edits: []edit{
		omit("(*Cache).load", "c.markDiverged(e.history)"),
	}},
	{rule: "2.2b: a watermark at an event that is not known does not count", by: "TestScenarios/3.6:_a_store", edits: []edit{
		replace("(*Cache).readL2", "!e.knows(current.position, stale)", "false"),
	}},
	{rule: "2.2b, 6.2: a watermark has a tag", by: "TestScenarios/6.2", edits: []edit{
		replace("(*history).knows", "ok && there.tag == at.tag || !ok && allowUnknown", "ok || allowUnknown"),
		addAfter("(*history).knows", "there, ok := h.tags[at.id]", "_ = there"),
		replace("startsAt", "position{feed.Events[0].ID, feed.Events[0].Tag} == at", "feed.Events[0].ID == at.id"),
	}},
	{rule: "3.3: the tag of the event last read is compared", by: "TestScenarios/3.3:_the_store_loses_what_has", edits: []edit{
		replace("(*history).mergePoll", "append(feed.Events, store.FeedEvent{ID: feed.Head, Tag: feed.Tag})",
			"append(feed.Events[min(1, len(feed.Events)):], store.FeedEvent{ID: feed.Head, Tag: feed.Tag})"),
	}},
	{rule: "3.3: a lookup's head is compared", by: "TestScenarios/3.3:_the_store_loses_what_is_known_from_a_lookup", edits: []edit{
		replace("(*Cache).load", "!e.learn(at, true)", "false"),
	}},
	{rule: "3.3: all that is known beyond the last poll is compared", by: "TestScenarios/3.3:_the_store_loses_what_is_known_from_a_lookup", edits: []edit{
		addBefore("(*history).learn", "h.tags[at.id] = knownTag{at.tag, confirmed}", "clear(h.tags)"),
	}},
	{rule: "2.4: a stale process does not use its memory", faults: "store cut,bus", edits: []edit{
		addAfter("(*Cache).lookupStale", "c.count.staleLookups.Add(1)", `if e != nil {
			if k, ok := e.keys.GetIfPresent(l1KeyOf(id)); ok && k.matches(id) {
				return store.Found{Record: &k.record, FeedID: e.feed, Head: k.head}, nil
			}
		}`),
	}},
	{rule: "2.4: a stale process does not join a load", faults: "standstill,bus", edits: []edit{
		addAfter("(*Cache).lookupStale", "c.count.staleLookups.Add(1)", `if e != nil {
			return c.lookupMiss(ctx, e, id, redacted)
		}`),
	}},
	{rule: "2.4: what a stale process reads from the store is not cached", faults: "store slow,bus", edits: []edit{
		replace("(*Cache).lookupStale", "return c.lookupStore(ctx, id, redacted)", `found, err := c.lookupStore(ctx, id, redacted)
		if e != nil && err == nil && found.Record != nil {
			if k := (&l1Entry{}); c.initL1Entry(k, found.Record, found.Head) == nil {
				e.keys.Set(l1KeyOf(id), k)
			}
		}
		return found, err`),
	}},
	{rule: "2.4b: a failure of the store is no answer about a key", faults: "store down", edits: []edit{
		replace("(*Cache).lookupStore", "unavailable(err)", "nil"),
	}},
	{rule: "2.4a: what Redis has counts for MaxStale", faults: "store cut,bus,redis loss,fail-over", edits: []edit{
		replace("(*Cache).lookupStale", "e != nil && !c.o.ChangesOnly && e.age(c.clock.now()) <= c.o.MaxStale",
			"e != nil && !c.o.ChangesOnly"),
	}},
	{rule: "2.4a: a stale process checks the required head too", by: "TestScenarios/2.4a", edits: []edit{
		replace("(*Cache).lookupStale", "e.requiredHead.Load()", "0"),
	}},
	{rule: "3.1: the membership is renewed", faults: "bus", edits: []edit{
		replace("(*Cache).joinMembers", "c.joined && now.elapsed(c.joinedAt) <= c.o.membership()/2", "c.joined"),
	}},
	{rule: "3.1: the membership is renewed in time", faults: "bus", edits: []edit{
		replace("(*Cache).joinMembers", "c.o.membership()/2", "c.o.membership()"),
	}},
	{rule: "3.1: a poll without a membership counts for nothing", by: "TestScenarios/T10:_a_process_that_cannot", edits: []edit{
		replace("(*Cache).poll", "if err := c.joinMembers(ctx); err != nil { return err }", "_ = c.joinMembers(ctx)"),
	}},
	{rule: "3.1: the membership is counted from before it was written", by: "TestScenarios/T10:_a_process_stands", edits: []edit{
		replace("(*Cache).joinMembers", "c.joined, c.joinedAt = true, now", "c.joined, c.joinedAt = true, c.clock.now()"),
	}},
	{rule: "3.1: a process joins before it polls", faults: "restart,bus", edits: []edit{
		replace("(*Cache).poll", "if err := c.joinMembers(ctx); err != nil { return err }", `defer func() {
			time.Sleep(50 * time.Millisecond)
			_ = c.joinMembers(ctx)
		}()`),
	}},
	{rule: "3.2: a poll counts from its start", faults: "store slow,bus", edits: []edit{
		omit("(*Cache).poll", "began := c.clock.now()"),
		replace("(*Cache).poll", "c.applyFeed(feed, began, known)", "c.applyFeed(feed, c.clock.now(), known)"),
	}},
	{rule: "3.4 (1): a poll raises the required head", faults: "bus", edits: []edit{
		replace("(*Cache).applyFeed: default:", "e.raiseHeads(feed.Head, newestActivation(feed.Events))",
			"raise(&e.lastActivation, newestActivation(feed.Events))"),
	}},
	{rule: "3.4: the required head before invalidation", faults: "fail-over,bus", edits: []edit{
		omit("(*Cache).applyFeed: default:", "e.raiseHeads(feed.Head, newestActivation(feed.Events))"),
		addBefore("(*Cache).applyFeed: default:", "c.last = feed.Head", `c.stretch("need")
		e.raiseHeads(feed.Head, newestActivation(feed.Events))`),
	}},
	{rule: "3.4 (2): a poll invalidates", faults: "bus", edits: []edit{
		replace("(*Cache).applyFeed", "e.keys.Invalidate(l1KeyOf(event.LookupID))", "_ = event"),
	}},
	{rule: "3.4: invalidation before freshAt", faults: "store cut,bus", edits: []edit{
		addBefore("(*Cache).applyFeed: default:", "e.raiseHeads(feed.Head, newestActivation(feed.Events))", `e.freshAt.Store(&began)
		time.Sleep(20 * time.Millisecond)`),
	}},
	{rule: "3.5: after a gap memory is dropped", by: "TestScenarios/T5", edits: []edit{
		replace("(*Cache).applyFeed: case !contiguous(feed, last), tagsLost:", "c.replace(c.newEpoch(e.history, &began))",
			"e.freshAt.Store(&began)"),
	}},
	{rule: "3.5: after a gap a new memory, not InvalidateAll", by: "TestScenarios/T5", edits: []edit{
		replace("(*Cache).applyFeed: case !contiguous(feed, last), tagsLost:", "c.replace(c.newEpoch(e.history, &began))",
			`e.keys.InvalidateAll()
		e.freshAt.Store(&began)`),
	}},
	{rule: "14: an event that names no key drops all", faults: "bus", edits: []edit{
		replace("(*Cache).applyFeed", "affectsAll(feed.Events)", "false"),
	}},
	{rule: "14: an event that names no key begins a new memory, not InvalidateAll", by: "TestScenarios/T5", edits: []edit{
		replace("(*Cache).applyFeed: case affectsAll(feed.Events):", "c.replace(c.newEpoch(e.history, &began))",
			`e.keys.InvalidateAll()
		e.freshAt.Store(&began)`),
	}},
	{rule: "3.6: a store that ends before what is known has been restored", by: "TestScenarios/3.6", edits: []edit{
		replace("(*Cache).applyFeed", "feed.ID != e.feed || !lastFound || wentBack", "feed.ID != e.feed || false && (wentBack || !lastFound)"),
	}},
	{rule: "3.6: the head of a lookup or a change is known", by: "TestScenarios/3.6:_a_store", edits: []edit{
		replace("(*Cache).applyFeed", "feed.Head < known.confirmed", "feed.Head < last"),
	}},
	{rule: "3.6: after a restore of the store memory is dropped", by: "TestScenarios/3.6", edits: []edit{
		replace("(*Cache).applyFeed", "c.replace(c.newEpoch(h, nil))", `n := c.newEpoch(h, nil)
		n.retire()
		n.keys, n.unknown = e.keys, e.unknown
		c.replace(n)`),
	}},
	{rule: "3.6: when the event last seen has been pruned a process joins again", by: "TestScenarios/3.6:_the_event", edits: []edit{
		replace("(*Cache).applyFeed", "!lastFound", "!lastFound && false"),
	}},
	{rule: "15: what could not be held is dropped", by: "TestScenarios/15", edits: []edit{
		replace("(*Cache).applyFeed", "e.tagsLost.Swap(false)", "e.tagsLost.Swap(false) && false"),
	}},
	{rule: "3.6: after a restore of the store a process joins again", by: "TestScenarios/3.6", edits: []edit{
		omit("(*Cache).applyFeed", "c.joined = false"),
	}},
	{rule: "3.6: after a restore of the store a process is fresh when it has joined", by: "TestScenarios/3.6", edits: []edit{
		replace("(*Cache).applyFeed", "c.newEpoch(h, nil)", "c.newEpoch(h, &began)"),
	}},
	{rule: "4.1: a change that finds nothing to do waits", faults: "store down,bus", edits: []edit{
		addBefore("(*Cache).Change: if change.Last == 0 {", "", "return change, nil"),
	}},
	{rule: "4.2: WAIT is counted by the monotonic clock", by: "TestScenarios/T11:_the_wall", edits: []edit{
		replace("(*Cache).awaitPropagation", "c.clock.now().mono - p.committed.mono", "c.clock.now().elapsed(p.committed)"),
	}},
	{rule: "4.2: WAIT begins after the commit", faults: "store slow,bus", edits: []edit{
		addBefore("(*Cache).Change", "change, err := c.rows.Change(ctx, actor, fn)", "asked := c.clock.now()"),
		replace("(*Cache).Change", "committed: c.clock.now()", "committed: asked"),
	}},
	{rule: "4.2: a commit with an unknown outcome is no success", faults: "store slow,bus", edits: []edit{
		addAfter("(*Cache).Change", "kick(c.pollKicks)", "return change, nil"),
	}},
	{rule: "4.3a: Redis has a change when its watermark has reached it", by: "TestScenarios/4.4", edits: []edit{
		replace("(*Cache).advanceOrRepair", "ok && current.id >= last.id", "ok"),
		replace("(*Cache).advanceOrRepair", "reached && current.position != last", "false"),
	}},
	{rule: "14: a watermark beyond the store's head is of another history", by: "TestScenarios/14:_the_watermark", edits: []edit{
		replace("(*Cache).advanceOrRepair", "reached && current.position != last", "false"),
	}},
	{rule: "4.3b: the members are read after the commit", faults: "restart,bus,store slow", edits: []edit{
		addBefore("(*Cache).Change", "change, err := c.rows.Change(ctx, actor, fn)", "early, _ := c.rows.Members(ctx)"),
		replace("(*Cache).Change", "change: change", "members: early, membersKnown: true, change: change"),
		replace("(*Cache).startPropagation", "parts.Go(func() { c.pollMembers(reading, p, message, level, settled) })", "_ = reading"),
	}},
	{rule: "4.4: no success before the members are known", faults: "bus", edits: []edit{
		replace("(*propagation).acknowledged", "p.membersKnown && len(missing) == 0", "len(missing) == 0"),
	}},
	{rule: "4.4: an acknowledgement is of one change", faults: "bus", edits: []edit{
		addAfter("(*acks).add", "w := a.pending[serial]", `for _, other := range a.pending {
			w = other
		}`),
	}},
	{rule: "4.4: every member acknowledges", faults: "bus", edits: []edit{
		replace("(*propagation).acknowledged", "p.membersKnown && len(missing) == 0", "p.membersKnown"),
	}},
	{rule: "4.4: a success before WAIT needs Redis to have the change", by: "TestScenarios/4.4:_a_process", edits: []edit{
		replace("(*Cache).redisIsCurrent", "p.inRedis || c.l2 == nil && !p.redisInUse", "true"),
	}},
	{rule: "4.4: no success after WAIT when Redis works and does not have it", by: "TestScenarios/4.4:_no_success", edits: []edit{
		replace("(*Cache).waitIsOver", "p.membersKnown && waited >= p.wait && (c.l2 == nil || p.inRedis || p.redisFails.Load())",
			"p.membersKnown && waited >= p.wait"),
	}},
	{rule: "4.4: WAIT is longer than the lease", faults: "store cut,bus", edits: []edit{
		replace("waitFor", "lease * 21 / 20", "lease * 3 / 4"),
	}},
	{rule: "14: WAIT is that of the longest lease among the members", faults: "store cut,bus", edits: []edit{
		omit("(*propagation).setMembers", "p.wait = max(p.wait, waitFor(m.Lease))"),
	}},
	{rule: "4.4: a client that leaves gets no success", faults: "bus", edits: []edit{
		replace("(*Cache).awaitPropagation: case <-ctx.Done():", "", "return nil"),
	}},
	{rule: "4.5: a changer handles its own change", faults: "", edits: []edit{
		replace("(*Cache).propagate", "c.applyAnnouncement(p.change.FeedID, message, true) && !p.noEvents", "!p.noEvents"),
	}},
	{rule: "5.1: a message raises the required head", faults: "fail-over", edits: []edit{
		replace("(*Cache).applyAnnouncement", "e.raiseHeads(a.last, a.lastActivation)", "raise(&e.lastActivation, a.lastActivation)"),
	}},
	{rule: "5.1: a message invalidates", faults: "", edits: []edit{
		replace("(*Cache).applyAnnouncement", "e.keys.Invalidate(l1KeyOf(id))", "_ = id"),
	}},
	{rule: "5.1: the required head before invalidation", faults: "fail-over", edits: []edit{
		addBefore("(*Cache).applyAnnouncement", "e.raiseHeads(a.last, a.lastActivation)", `for _, id := range a.ids {
			e.keys.Invalidate(l1KeyOf(id))
			c.stretch("message: invalidate")
		}
		c.stretch("need")`),
		omit("(*Cache).applyAnnouncement", "for _, id := range a.ids { e.keys.Invalidate(l1KeyOf(id)) }"),
	}},
	{rule: "5.1: invalidation before the acknowledgement", faults: "", edits: []edit{
		addAfter("(*Cache).onAnnouncement", "c.count.messages.Add(1)",
			`_ = c.l2.publish(ctx, feed, a.sender,
				c.messages.encodeAcknowledgement(feed, a.sender, acknowledgement{member: c.id, serial: a.serial}))`),
	}},
	{rule: "5.1: the required head before the acknowledgement", faults: "fail-over", edits: []edit{
		addAfter("subscribe.go", `"errors"`, `"time"`),
		replace("(*Cache).applyAnnouncement", "e.raiseHeads(a.last, a.lastActivation)",
			"defer time.AfterFunc(20*time.Millisecond, func() { e.raiseHeads(a.last, a.lastActivation) })"),
	}},
	{rule: "5.2: a message makes no process fresh", faults: "store cut,bus", edits: []edit{
		addAfter("(*Cache).applyAnnouncement", "e.raiseHeads(a.last, a.lastActivation)", `now := c.clock.now()
		e.freshAt.Store(&now)`),
	}},
	{rule: "5.2: a message is no poll", faults: "bus", edits: []edit{
		addAfter("(*Cache).applyAnnouncement", "e.raiseHeads(a.last, a.lastActivation)", "c.last = max(c.last, a.last)"),
	}},
	{rule: "5.1: a message that does not name all keys drops memory", faults: "", edits: []edit{
		omit("(*Cache).applyAnnouncement", "c.replace(c.newEpoch(e.history, e.freshAt.Load()))"),
	}},
	{rule: "5.1: a message that does not name all keys begins a new memory, not InvalidateAll", faults: "store down", edits: []edit{
		replace("(*Cache).applyAnnouncement", "c.replace(c.newEpoch(e.history, e.freshAt.Load()))", "e.keys.InvalidateAll()"),
	}},
	{rule: "3.8: invalidation before the acknowledgement in the row", faults: "no redis", edits: []edit{
		addBefore("(*Cache).poll", "e := c.applyFeed(feed, began, known)", "c.acknowledge(ctx, headOf(feed), known.required)"),
	}},
	{rule: "3.8: the required head before the acknowledgement in the row", faults: "less redis,fail-over", edits: []edit{
		omit("(*Cache).applyFeed: default:", "e.raiseHeads(feed.Head, newestActivation(feed.Events))"),
		addAfter("(*Cache).poll", "c.acknowledge(ctx, headOf(feed), known.required)", `c.stretch("need")
		e.raiseHeads(feed.Head, newestActivation(feed.Events))`),
	}},
	{rule: "3.8: unknown tokens are dropped before the acknowledgement in the row", faults: "no redis", edits: []edit{
		replace("(*Cache).applyFeed: default:", "e.raiseHeads(feed.Head, newestActivation(feed.Events))", "e.raiseHeads(feed.Head, 0)"),
		addAfter("(*Cache).poll", "c.acknowledge(ctx, headOf(feed), known.required)", "e.raiseHeads(feed.Head, newestActivation(feed.Events))"),
	}},
	{rule: "3.8: a poll that failed acknowledges nothing", faults: "no redis,store slow", edits: []edit{
		addAfter("(*Cache).poll", "feed, err := c.rows.Feed(ctx, after, limit)", `if err != nil {
			c.acknowledge(context.Background(), position{id: c.last + 1}, 0)
		}`),
	}},
	{rule: "3.8: what the store has lost is not acknowledged", by: "TestScenariosWithoutRedis/3.8:_an_acknowledgement", edits: []edit{
		replace("storeLink.Acknowledge", "!startsAt(feed, position{head, tag})", "feed.Head < 0"),
	}},
	{rule: "3.8: nothing beyond the head is acknowledged", by: "TestScenariosWithoutRedis/3.8:_the_feed", edits: []edit{
		replace("storeLink.Members", "m.Acked > feed.Head", "feed.Head < 0"),
	}},
	{rule: "3.8: a row that is written again acknowledges nothing", by: "TestScenariosWithoutRedis/3.8:_after_a_restore", edits: []edit{
		addBefore("storeLink.Join", "w.store.write(m.ID, &simMember{Member: m, lapses: w.store.now() + m.TTL, of: l.p})",
			"m.Acked = w.store.members[m.ID].Acked"),
	}},
	{rule: "4.4: a row must acknowledge the last event of a change", faults: "no redis", edits: []edit{
		replace("(*propagation).unacknowledged", "m.Acked >= p.change.Last", "m.Acked >= p.change.First-1"),
	}},
	{rule: "4.4: a row must acknowledge what a change has found done", faults: "no redis,crash", edits: []edit{
		replace("(*propagation).unacknowledged", "m.Acked >= p.change.Last", "p.noEvents || m.Acked >= p.change.Last"),
	}},
	{rule: "4.4: a member whose row acknowledges nothing is waited for", by: "TestScenariosWithoutRedis/3.8:_a_change", edits: []edit{
		replace("(*propagation).setMembers", "m.Lapsed || m.Lease == 0 || new", "m.Lapsed || m.Lease == 0 || m.Acked == 0 || new"),
	}},
	{rule: "4.4: a member is waited for until it has acknowledged, left or lapsed", faults: "no redis,store cut", edits: []edit{
		replace("(*propagation).setMembers", "m.Lapsed || m.Lease == 0 || new", "m.Lapsed || m.Lease == 0 || new || p.membersKnown"),
	}},
	{rule: "4.4: a success before WAIT without Redis needs that no member uses it", by: "TestScenariosWithoutRedis/4.4", edits: []edit{
		replace("(*Cache).redisIsCurrent", "p.inRedis || c.l2 == nil && !p.redisInUse", "p.inRedis || c.l2 == nil"),
	}},
	{rule: "4.4: members that have lapsed may answer from Redis", by: "TestScenariosWithoutRedis/4.4", edits: []edit{
		replace("(*propagation).setMembers", "p.redisInUse || m.Redis", "p.redisInUse || m.Redis && !m.Lapsed"),
	}},
	{rule: "6.2: a repair over a gap begins a new generation", faults: "prune,redis cut", edits: []edit{
		replace("(*Cache).repairOnce", "!ok || !same || !contiguous(feed, current.id)", "!ok || !same"),
	}},
	{rule: "6.2: a repair over another event than the watermark's begins a new generation", by: "TestScenarios/6.2", edits: []edit{
		replace("startsAt", "position{feed.Events[0].ID, feed.Events[0].Tag} == at", "feed.Events[0].ID == at.id"),
	}},
	{rule: "6.2: a repair over an event that names no key begins a new generation", faults: "redis cut,redis down", edits: []edit{
		replace("(*Cache).repairOnce",
			"!ok || !same || !contiguous(feed, current.id) || affectsAll(feed.Events)",
			"!ok || !same || !contiguous(feed, current.id)"),
	}},
	{rule: "4.3a: a change that does not name all keys begins a new generation", faults: "", edits: []edit{
		replace("(*Cache).advanceOrRepair", "invalidatesAll(change)", "false"),
	}},
	{rule: "7: advance moves from prev only", faults: "redis late", edits: []edit{
		replace("(*redisState).advance", "parts == nil || parts[2] != prev.String()", "parts == nil"),
	}},
	{rule: "7: advance moves from prev's tag only", by: "TestScenarios/7", edits: []edit{
		addAfter("sim_redis_test.go", `"regexp"`, `"strings"`),
		replace("(*redisState).advance", "parts[2] != prev.String()",
			`strings.Split(parts[2], ":")[0] != strings.Split(prev.String(), ":")[0]`),
	}},
	{rule: "7: advance drops the entries", faults: "", edits: []edit{
		replace("(*redisState).advance", "delete(s.entries, place{feed, id})", "_ = id"),
	}},
	{rule: "7: fill does not write behind the watermark", faults: "redis late", edits: []edit{
		addAfter("sim_redis_test.go", `"regexp"`, `"strings"`),
		replace("(*redisState).fill", "s.marks[feed] != at.String()", `!strings.HasPrefix(s.marks[feed], at.generation+":")`),
	}},
	{rule: "7: fill does not write before the watermark has got there", by: "TestScenarios/7", edits: []edit{
		replace("(*redisState).fill", "s.marks[feed] != at.String()",
			"current, ok := parseWatermark(s.marks[feed]); !ok || current.generation != at.generation || current.id > at.id"),
	}},
	{rule: "7: reset replaces what was read and nothing else", by: "TestScenarios/T8", edits: []edit{
		replace("(*redisState).reset", "s.marks[feed] != expected", "false"),
	}},
	{rule: "14: memory is not used any more when the row is removed", faults: "restart,bus", edits: []edit{
		addBefore("(*Cache).close", "c.publishing.Lock()", "c.leaveMembers(ctx)"),
	}},
	{rule: "14: the last poll is over when the row is removed", by: "TestScenarios/T10:_a_process_that_closes", edits: []edit{
		addAfter("(*Cache).close", "changes := c.changes.close(ctx)", "c.leaveMembers(ctx)"),
		omit("(*Cache).close", "c.leaveMembers(ctx)"),
	}},
	{rule: "14: an unknown token is dropped when a key is created", faults: "bus", edits: []edit{
		omit("(*history).raiseHeads", "raise(&h.lastActivation, lastActivation)"),
	}},
	{rule: "14: an unknown token is dropped before the acknowledgement", faults: "", edits: []edit{
		replace("(*history).raiseHeads", "raise(&h.lastActivation, lastActivation)",
			"defer time.AfterFunc(20*time.Millisecond, func() { raise(&h.lastActivation, lastActivation) })"),
	}},
	{rule: "14: a poll reports created keys", faults: "bus", edits: []edit{
		replace("(*Cache).applyFeed: default:", "e.raiseHeads(feed.Head, newestActivation(feed.Events))", "e.raiseHeads(feed.Head, 0)"),
	}},
	{rule: "14: a message reports created keys", faults: "", edits: []edit{
		replace("(*Cache).newAnnouncement", "newestActivation(change.Events)", "0"),
	}},
	{rule: "14: a message after unknown events reports keys that may have been created", faults: "store down", edits: []edit{
		replace("(*Cache).applyAnnouncement", "e.requiredHead.Load() < a.first-1", "false"),
	}},
	{rule: "14: an unknown token counts as of when it was looked up", faults: "store down", edits: []edit{
		replace("(*Cache).load", "asOf: answer.Head", "asOf: maxEventID"),
	}},
	{rule: "14: a poll lowers a required head that was forged", faults: "forged message", edits: []edit{
		omit("(*Cache).applyFeed", "e.retract(known.required, feed.Head)"),
	}},
	{rule: "14: only a poll that began after a message can prove it wrong", faults: "bus,store slow", edits: []edit{
		omit("(*Cache).poll",
			"var known knownHeads; if e := c.epoch.Load(); e != nil { known = knownHeads{required: e.requiredHead.Load(), confirmed: e.confirmedHead.Load()} }"),
		addAfter("(*Cache).poll", "if err != nil { return err }", `var known knownHeads
		if e := c.epoch.Load(); e != nil {
			known = knownHeads{required: e.requiredHead.Load(), confirmed: e.confirmedHead.Load()}
		}`),
	}},
	{rule: "14: a store that ends before the event of a message with a MAC has been restored", by: "TestScenarios/3.6:_a_store", edits: []edit{
		replace("(*Cache).applyAnnouncement", "e.learnAnnounced(at, confirmed)", "true"),
	}},
	{rule: "5.1: a message carries its event's tag", by: "TestScenarios/3.3", edits: []edit{
		replace("(*Cache).applyAnnouncement", "e.learnAnnounced(at, confirmed)", "e.learnAnnounced(position{a.last, 0}, confirmed)"),
	}},
	{rule: "5.1: a message with a MAC that contradicts what is known stops answers from memory", by: "TestScenarios/4.2", edits: []edit{
		omit("(*Cache).applyAnnouncement", "c.markDivergedLocked(e.history)"),
	}},
	{rule: "5.1: a message without a MAC that contradicts what is known is not acknowledged", by: "TestScenarios/4.2", edits: []edit{
		replace("(*Cache).applyAnnouncement", "agrees || confirmed", "true"),
	}},
	{rule: "4.2: a change whose number has been another's stops answers from memory", by: "TestScenarios/4.2", edits: []edit{
		replace("(*Cache).applyAnnouncement", "own && e.learn(at, true)", "own"),
		replace("(*Cache).Change", "p.change.First <= confirmed", "p.change.First < min(confirmed, 0)"),
	}},
	{rule: "5: a change is announced to programs of level 1 in their version", by: "TestScenarios/5", edits: []edit{
		replace("(*Cache).pollMembers", "lowest < levelWithTag", "false"),
	}},
	{rule: "2.4a: a stale process accepts events that it does not know", by: "TestScenarios/2.4a", edits: []edit{
		replace("(*Cache).lookupStale", "true", "false"),
	}},
	{rule: "14: a message without a MAC proves no restore", faults: "forged message", edits: []edit{
		replace("(*Cache).applyAnnouncement", "own || c.o.Sealer != nil", "true"),
	}},
	{rule: "14: a message from before a restore proves no second one", by: "TestScenarios/14:_messages", edits: []edit{
		replace("(*history).learnAnnounced", "at.id <= h.previousHead", "false"),
	}},
	{rule: "14: after a restore of the store a watermark without a tag does not count", by: "TestScenarios/3.6", edits: []edit{
		replace("(*history).isAt", "at.tag != 0 || at.id == 0 || h.aligned.Load()", "true"),
	}},
	{rule: "14: a process that starts repairs Redis before it uses it", by: "TestScenarios/14:_processes", edits: []edit{
		addAfter("newHistory", "h.learn(head, true)", "h.aligned.Store(true)"),
	}},
}
