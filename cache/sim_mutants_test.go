package cache

// stretched lets time pass between steps that follow one another at once.
var stretched = []edit{
	{"cache.go", "sync.Mutex // held to replace epoch", "patientMutex // held to replace epoch"},

	{"lookup.go", "	now, at := c.clock.read()\n	if e == nil", "	c.stretch(\"Lookup: epoch\")\n	now, at := c.clock.read()\n	if e == nil"},
	{"lookup.go", "	k, ok := e.keys.GetIfPresent(slotOf(id))\n", "	c.stretch(\"Lookup: clock\")\n	k, ok := e.keys.GetIfPresent(slotOf(id))\n"},
	{"lookup.go", "	return c.lookupMissed(ctx, e, id, redacted)\n", "	c.stretch(\"Lookup: missed\")\n	return c.lookupMissed(ctx, e, id, redacted)\n"},
	{"lookup.go", "	k := &kept{}\n", "	c.stretch(\"load: need\")\n	k := &kept{}\n"},
	{"lookup.go", "		return k, nil\n", "		c.stretch(\"load: found\")\n		return k, nil\n"},
	{"lookup.go", "		e.unknown.Set(id,", "		c.stretch(\"load: unknown\")\n		e.unknown.Set(id,"},

	{"feed.go", "		e.hear(feed.Head, newestRevealing(feed.Events)) // (1)\n		for", "		c.stretch(\"poll: apply\")\n		e.hear(feed.Head, newestRevealing(feed.Events)) // (1)\n		c.stretch(\"poll: need\")\n		for"},
	{"feed.go", "			e.keys.Invalidate(slotOf(event.LookupID)) // (2)\n", "			e.keys.Invalidate(slotOf(event.LookupID)) // (2)\n			c.stretch(\"poll: invalidate\")\n"},
	{"feed.go", "		e.freshAt.Store(&began) // (4)", "		c.stretch(\"poll: last\")\n		e.freshAt.Store(&began) // (4)"},

	{"listen.go", "	e.hear(a.last, a.revealing)\n", "	e.hear(a.last, a.revealing)\n	c.stretch(\"message: need\")\n"},
	{"listen.go", "		e.keys.Invalidate(slotOf(id))\n", "		e.keys.Invalidate(slotOf(id))\n		c.stretch(\"message: invalidate\")\n"},

	{"change.go", "	s := &settlement{change: change, committed:", "	c.stretch(\"change: committed\")\n	s := &settlement{change: change, committed:"},
	{"change.go", "	s.answered = c.acks.await()\n", "	c.stretch(\"change: settle\")\n	s.answered = c.acks.await()\n"},
}

// mutations are the rules of the protocol, each broken once. The numbers are those of COHERENCE.
//
// A rule is not here when nothing becomes wrong without it, only slower (who asks for a repair and when, message after advance, limits and
// TTLs), or when another rule catches what it would: head and events read apart (3.3) and a watermark beyond the head (6.2) look like gaps, a repair that was overtaken (6.3) leaves a watermark behind need, and entries name the generation that fill
// compares (7).
var mutations = []mutation{
	{rule: "1.1: the lease ends by the monotonic clock", faults: "clock jump,store cut,bus", edits: []edit{
		{"clock.go", "return max(now.mono-since.mono, now.wall-since.wall)", "return now.wall - since.wall"},
	}},
	{rule: "1.1: the lease ends by the wall clock", faults: "standstill,bus", edits: []edit{
		{"clock.go", "return max(now.mono-since.mono, now.wall-since.wall)", "return now.mono - since.mono"},
	}},
	{rule: "1.2: memory is used within a lease of the last poll only", faults: "store cut,bus", edits: []edit{
		{"lookup.go", " || e.age(now) > c.o.Lease {", " {"},
	}},
	{rule: "2.2a: the loader reads need", faults: "fail-over", edits: []edit{
		{"lookup.go", "	k, err := c.single(ctx, e, slotOf(id), load)\n", "	c.stretch(\"need\")\n	k, err := c.single(ctx, e, slotOf(id), load)\n"},
		{"lookup.go", "	load := otter.LoaderFunc", "	need := e.need.Load()\n	load := otter.LoaderFunc"},
		{"lookup.go", "		return c.load(ctx, e, id, redacted)\n", "		return c.load(ctx, e, id, redacted, need)\n"},
		{"lookup.go", "func (c *Cache) load(ctx context.Context, e *epoch, id store.LookupID, redacted string) (", "func (c *Cache) load(ctx context.Context, e *epoch, id store.LookupID, redacted string, need int64) ("},
		{"lookup.go", "	need := e.need.Load() // a: in here, not before the Get\n", ""},
	}},
	{rule: "2.2b: a watermark behind need does not count", faults: "fail-over", edits: []edit{
		{"lookup.go", "	if !ok || wm.id < need {", "	if !ok {"},
	}},
	{rule: "2.2b: an entry of another generation does not count", faults: "redis loss", edits: []edit{
		{"entry.go", "	if !ok || found != generation {", "	_ = found\n	if !ok {"},
	}},
	{rule: "2.2b: the watermark and the entry are of one moment", faults: "redis cut,bus", edits: []edit{
		{"sim_redis_test.go", "	return a.mark, a.entries, err\n", "	if err == nil {\n		a.mark, err = l.mark(context.Background(), feed)\n	}\n	return a.mark, a.entries, err\n"},
	}},
	{rule: "2.2c: the record and the head are of one moment", faults: "", edits: []edit{
		{"sim_store_test.go", "func (l storeLink) Lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {\n", "func (l storeLink) Lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {\n	found, err := l.lookup(ctx, id, redacted)\n	if err == nil {\n		var feed store.Feed\n		feed, err = l.Feed(ctx, maxEventID, 1)\n		found.Head = feed.Head\n	}\n	return found, err\n}\n\nfunc (l storeLink) lookup(ctx context.Context, id store.LookupID, redacted string) (store.Found, error) {\n"},
	}},
	{rule: "2.2d: the fill says as of when its record is", faults: "redis late", edits: []edit{
		{"lookup.go", "answer.Record, answer.Head) // d", "answer.Record, maxEventID) // d"},
	}},
	{rule: "2.4: a stale process does not use its memory", faults: "store cut,bus", edits: []edit{
		{"lookup.go", "	c.count.staleLookups.Add(1)\n", "	c.count.staleLookups.Add(1)\n	if e != nil {\n		if k, ok := e.keys.GetIfPresent(slotOf(id)); ok && k.is(id) {\n			return store.Found{Record: &k.record, FeedID: e.feed, Head: k.head}, nil\n		}\n	}\n"},
	}},
	{rule: "2.4: a stale process joins nobody's load", faults: "standstill,bus", edits: []edit{
		{"lookup.go", "	c.count.staleLookups.Add(1)\n", "	c.count.staleLookups.Add(1)\n	if e != nil {\n		return c.lookupMissed(ctx, e, id, redacted)\n	}\n"},
	}},
	{rule: "2.4: what a stale process finds in the store is not kept", faults: "store slow,bus", edits: []edit{
		{"lookup.go", "	return c.ask(ctx, id, redacted)\n}\n\n// ask asks", "	found, err := c.ask(ctx, id, redacted)\n	if e != nil && err == nil && found.Record != nil {\n		if k := (&kept{}); c.keep(k, found.Record, found.Head) == nil {\n			e.keys.Set(slotOf(id), k)\n		}\n	}\n	return found, err\n}\n\n// ask asks"},
	}},
	{rule: "2.4b: a store that fails says nothing about a key", faults: "store down", edits: []edit{
		{"lookup.go", "		c.count.storeErrors.Add(1)\n		return store.Found{}, undecided(err)\n", "		c.count.storeErrors.Add(1)\n		return store.Found{}, nil\n"},
	}},
	{rule: "2.4a: what Redis has counts for MaxStale", faults: "store cut,bus,redis loss,fail-over", edits: []edit{
		{"lookup.go", " && e.age(c.clock.now()) <= c.o.MaxStale {", " {"},
	}},
	{rule: "2.4a: a stale process asks for need too", by: "TestScenarios/2.4a", edits: []edit{
		{"lookup.go", "c.fromShared(ctx, e, id, e.need.Load(), ", "c.fromShared(ctx, e, id, 0, "},
	}},
	{rule: "3.1: the membership is renewed", faults: "bus", edits: []edit{
		{"member.go", "	if c.joined && now.elapsed(c.joinedAt) <= c.o.membership()/2 {", "	if c.joined {"},
	}},
	{rule: "3.1: the membership is renewed in time", faults: "bus", edits: []edit{
		{"member.go", "c.o.membership()/2 {", "c.o.membership() {"},
	}},
	{rule: "3.1: a poll without a membership counts for nothing", by: "TestScenarios/T10:_a_process_that_cannot", edits: []edit{
		{"feed.go", "	if err := c.joinMembers(ctx); err != nil { // 3.1\n		return err\n	}\n", "	_ = c.joinMembers(ctx)\n"},
	}},
	{rule: "3.1: the membership is counted from before it was written", by: "TestScenarios/T10:_a_process_stands", edits: []edit{
		{"member.go", "	c.joined, c.joinedAt = true, now\n", "	c.joined, c.joinedAt = true, c.clock.now()\n"},
	}},
	{rule: "3.1: a process joins before it polls", faults: "restart,bus", edits: []edit{
		{"feed.go", "	if err := c.joinMembers(ctx); err != nil { // 3.1\n		return err\n	}\n	began", "	defer func() {\n		time.Sleep(50 * time.Millisecond)\n		_ = c.joinMembers(ctx)\n	}()\n	began"},
	}},
	{rule: "3.2: a poll counts from its start", faults: "store slow,bus", edits: []edit{
		{"feed.go", "	began := c.clock.now() // 3.2\n", ""},
		{"feed.go", "c.apply(feed, began, known)", "c.apply(feed, c.clock.now(), known)"},
	}},
	{rule: "3.4 (1): a poll raises need", faults: "bus", edits: []edit{
		{"feed.go", "		e.hear(feed.Head, newestRevealing(feed.Events)) // (1)\n", "		raise(&e.revealing, newestRevealing(feed.Events))\n"},
	}},
	{rule: "3.4: need before invalidation", faults: "fail-over,bus", edits: []edit{
		{"feed.go", "		e.hear(feed.Head, newestRevealing(feed.Events)) // (1)\n", ""},
		{"feed.go", "		c.last = feed.Head      // (3)\n", "		c.stretch(\"need\")\n		e.hear(feed.Head, newestRevealing(feed.Events))\n		c.last = feed.Head\n"},
	}},
	{rule: "3.4 (2): a poll invalidates", faults: "bus", edits: []edit{
		{"feed.go", "			e.keys.Invalidate(slotOf(event.LookupID)) // (2)\n", "			_ = event\n"},
	}},
	{rule: "3.4 (3): a poll remembers how far it has read", by: "TestScenarios/3.6:_a_store", edits: []edit{
		{"feed.go", "		c.last = feed.Head      // (3)\n", ""},
	}},
	{rule: "3.4: invalidation before freshAt", faults: "store cut,bus", edits: []edit{
		{"feed.go", "		e.hear(feed.Head, newestRevealing(feed.Events)) // (1)\n", "		e.freshAt.Store(&began)\n		time.Sleep(20 * time.Millisecond)\n		e.hear(feed.Head, newestRevealing(feed.Events)) // (1)\n"},
	}},
	{rule: "3.5: after a gap memory is dropped", faults: "prune,bus", edits: []edit{
		{"feed.go", "		c.replace(c.newEpoch(e.history, &began)) // (2) and (4) at once\n", "		e.freshAt.Store(&began)\n"},
	}},
	{rule: "3.5: after a gap a new memory, not InvalidateAll", by: "TestScenarios/T5", edits: []edit{
		{"feed.go", "		c.replace(c.newEpoch(e.history, &began)) // (2) and (4) at once\n", "		e.keys.InvalidateAll()\n		e.freshAt.Store(&began)\n"},
	}},
	{rule: "14: an event that names no key drops all", faults: "bus", edits: []edit{
		{"feed.go", "	case namesAll(feed.Events):\n		e.hear", "	case false:\n		e.hear"},
	}},
	{rule: "14: an event that names no key begins a new memory, not InvalidateAll", by: "TestScenarios/T5", edits: []edit{
		{"feed.go", "		c.replace(c.newEpoch(e.history, &began))\n	default:", "		e.keys.InvalidateAll()\n		e.freshAt.Store(&began)\n	default:"},
	}},
	{rule: "3.6: a store that ends before what is known has been restored", by: "TestScenarios/3.6:_a_restored", edits: []edit{
		{"feed.go", "	case feed.ID != e.feed || feed.Head < max(last, known.sure):", "	case feed.ID != e.feed:"},
	}},
	{rule: "3.6: what a lookup or a change has told of is known", by: "TestScenarios/3.6:_a_store", edits: []edit{
		{"feed.go", "feed.Head < max(last, known.sure):", "feed.Head < last:"},
	}},
	{rule: "3.6: after a restore of the store memory is dropped", by: "TestScenarios/3.6", edits: []edit{
		{"feed.go", "		c.replace(c.newEpoch(h, nil))\n", "		n := c.newEpoch(h, nil)\n		n.retire()\n		n.keys, n.unknown = e.keys, e.unknown\n		c.replace(n)\n"},
	}},
	{rule: "3.6: after a restore of the store a process joins again", by: "TestScenarios/3.6", edits: []edit{
		{"feed.go", "		c.joined = false\n", ""},
	}},
	{rule: "3.6: after a restore of the store a process is fresh when it has joined", by: "TestScenarios/3.6", edits: []edit{
		{"feed.go", "		c.replace(c.newEpoch(h, nil))\n", "		c.replace(c.newEpoch(h, &began))\n"},
	}},
	{rule: "4.1: a change that finds nothing to do waits", faults: "store down,bus", edits: []edit{
		{"change.go", "	if change.Last == 0 {\n", "	if change.Last == 0 {\n		return change, nil\n"},
	}},
	{rule: "4.2: WAIT is counted by the monotonic clock", by: "TestScenarios/T11:_the_wall", edits: []edit{
		{"change.go", "		waited := c.clock.now().mono - s.committed.mono\n", "		waited := c.clock.now().elapsed(s.committed)\n"},
	}},
	{rule: "4.2: WAIT begins after the commit", faults: "store slow,bus", edits: []edit{
		{"change.go", "	change, err := c.rows.Change(ctx, actor, fn)\n", "	asked := c.clock.now()\n	change, err := c.rows.Change(ctx, actor, fn)\n"},
		{"change.go", "committed: c.clock.now(), wait", "committed: asked, wait"},
	}},
	{rule: "4.2: a commit that nobody knows of is no success", faults: "store slow,bus", edits: []edit{
		{"change.go", "			kick(c.pollKicks) // it may have been committed\n", "			kick(c.pollKicks) // it may have been committed\n			return change, nil\n"},
	}},
	{rule: "4.3a: Redis has a change when its watermark has reached it", by: "TestScenarios/4.4", edits: []edit{
		{"change.go", "	if at >= change.Last && !h.distrusted.Load() {", "	if !h.distrusted.Load() {"},
	}},
	{rule: "14: a watermark beyond the store's head is of another history", by: "TestScenarios/14:_the_watermark", edits: []edit{
		{"change.go", "	if at > change.Last && !h.distrusted.Load() {", "	if false {"},
	}},
	{rule: "4.3b: the members are read after the commit", faults: "restart,bus,store slow", edits: []edit{
		{"change.go", "	change, err := c.rows.Change(ctx, actor, fn)\n", "	early, _ := c.rows.Members(ctx)\n	change, err := c.rows.Change(ctx, actor, fn)\n"},
		{"change.go", "	s := &settlement{change: change,", "	s := &settlement{members: early, known: true, change: change,"},
		{"change.go", "	parts.Go(func() { c.readMembers(own, members) }) // b: after the commit\n", ""},
	}},
	{rule: "4.4: no success before the members are known", faults: "bus", edits: []edit{
		{"change.go", "		case s.known && len(missing) == 0 && (", "		case len(missing) == 0 && ("},
	}},
	{rule: "4.4: an acknowledgement is of one change", faults: "bus", edits: []edit{
		{"ack.go", "	w := a.open[serial]\n", "	w := a.open[serial]\n	for _, other := range a.open {\n		w = other\n	}\n"},
	}},
	{rule: "4.4: every member acknowledges", faults: "bus", edits: []edit{
		{"change.go", "		case s.known && len(missing) == 0 && (", "		case s.known && ("},
	}},
	{rule: "4.4: a success before WAIT needs Redis to have the change", by: "TestScenarios/4.4:_a_process", edits: []edit{
		{"change.go", "len(missing) == 0 && (c.shared == nil || s.applied):", "len(missing) == 0:"},
	}},
	{rule: "4.4: no success after WAIT when Redis works and does not have it", by: "TestScenarios/4.4:_no_success", edits: []edit{
		{"change.go", "waited >= s.wait && (c.shared == nil || s.applied || s.failing.Load()):", "waited >= s.wait:"},
	}},
	{rule: "4.4: WAIT is longer than the lease", faults: "store cut,bus", edits: []edit{
		{"options.go", "return lease * 21 / 20 }", "return lease * 3 / 4 }"},
	}},
	{rule: "14: WAIT is that of the longest lease among the members", faults: "store cut,bus", edits: []edit{
		{"change.go", "				s.wait = max(s.wait, waitFor(m.Lease))\n", "				_ = m\n"},
	}},
	{rule: "4.4: a client that leaves gets no success", faults: "bus", edits: []edit{
		{"change.go", "		case <-ctx.Done():\n			return fmt.Errorf(\"cache: change %d is committed, but the caller left before every process had heard of it: %w: %w\", s.change.Last, store.ErrUnavailable, ctx.Err())\n", "		case <-ctx.Done():\n			return nil\n"},
	}},
	{rule: "4.5: a changer handles its own change", faults: "", edits: []edit{
		{"change.go", "	s.self = c.hear(s.change.FeedID, told) && !s.untold // 4.5\n", "	s.self = !s.untold\n"},
	}},
	{rule: "5.1: a message raises need", faults: "fail-over", edits: []edit{
		{"listen.go", "	e.hear(a.last, a.revealing)\n", "	raise(&e.revealing, a.revealing)\n"},
	}},
	{rule: "5.1: a message invalidates", faults: "", edits: []edit{
		{"listen.go", "		e.keys.Invalidate(slotOf(id))\n", "		_ = id\n"},
	}},
	{rule: "5.1: need before invalidation", faults: "fail-over", edits: []edit{
		{"listen.go", "	e.hear(a.last, a.revealing)\n", "	for _, id := range a.ids {\n		e.keys.Invalidate(slotOf(id))\n	}\n	c.stretch(\"need\")\n	e.hear(a.last, a.revealing)\n"},
		{"listen.go", "	for _, id := range a.ids {\n		e.keys.Invalidate(slotOf(id))\n	}\n	return true\n", "	return true\n"},
	}},
	{rule: "5.1: invalidation before the acknowledgement", faults: "", edits: []edit{
		{"listen.go", "	c.count.messages.Add(1)\n", "	c.count.messages.Add(1)\n	_ = c.shared.publish(ctx, feed, a.from, c.messages.acknowledge(feed, a.from, acknowledgement{member: c.id, serial: a.serial}))\n"},
	}},
	{rule: "5.1: need before the acknowledgement", faults: "fail-over", edits: []edit{
		{"listen.go", "	\"errors\"\n", "	\"errors\"\n	\"time\"\n"},
		{"listen.go", "	e.hear(a.last, a.revealing)\n", "	defer time.AfterFunc(20*time.Millisecond, func() { e.hear(a.last, a.revealing) })\n"},
	}},
	{rule: "5.2: a message makes nobody fresh", faults: "store cut,bus", edits: []edit{
		{"listen.go", "	e.hear(a.last, a.revealing)\n", "	e.hear(a.last, a.revealing)\n	now := c.clock.now()\n	e.freshAt.Store(&now)\n"},
	}},
	{rule: "5.2: a message is no poll", faults: "bus", edits: []edit{
		{"listen.go", "	e.hear(a.last, a.revealing)\n", "	e.hear(a.last, a.revealing)\n	c.last = max(c.last, a.last)\n"},
	}},
	{rule: "5.1: a message that names not all drops memory", faults: "", edits: []edit{
		{"listen.go", "		c.replace(c.newEpoch(e.history, e.freshAt.Load()))\n", ""},
	}},
	{rule: "5.1: a message that names not all begins a new memory, not InvalidateAll", faults: "store down", edits: []edit{
		{"listen.go", "		c.replace(c.newEpoch(e.history, e.freshAt.Load()))\n", "		e.keys.InvalidateAll()\n"},
	}},
	{rule: "6.2: a repair over a gap begins a new generation", faults: "prune,redis cut", edits: []edit{
		{"repair.go", " || !follows(feed, wm.id) ||", " ||"},
	}},
	{rule: "6.2: a repair over an event that names no key begins a new generation", faults: "redis cut,redis down", edits: []edit{
		{"repair.go", " || namesAll(feed.Events) { // 6.1, 6.2", " {"},
	}},
	{rule: "4.3a: a change that names not all begins a new generation", faults: "", edits: []edit{
		{"change.go", "	if wholesale(change) {\n		at", "	if false {\n		at"},
	}},
	{rule: "7: advance moves from prev only", faults: "redis late", edits: []edit{
		{"sim_redis_test.go", "	if id != prev {\n", "	if false {\n"},
	}},
	{rule: "7: advance drops the entries", faults: "", edits: []edit{
		{"sim_redis_test.go", "		delete(s.entries, place{feed, id})\n	}\n	s.marks[feed]", "		_ = id\n	}\n	s.marks[feed]"},
	}},
	{rule: "7: fill does not write behind the watermark", faults: "redis late", edits: []edit{
		{"sim_redis_test.go", "	if wm > asOf {\n", "	if wm < 0 {\n"},
	}},
	{rule: "7: reset replaces what was read and nothing else", by: "TestScenarios/T8", edits: []edit{
		{"sim_redis_test.go", "	if s.marks[feed] != expected {\n", "	if false {\n"},
	}},
	{rule: "14: memory is not used any more when the row is removed", faults: "restart,bus", edits: []edit{
		{"cache.go", "	c.publishing.Lock()\n	c.closed.Store(true)\n", "	c.leaveMembers(ctx)\n	c.publishing.Lock()\n	c.closed.Store(true)\n"},
	}},
	{rule: "14: the last poll is over when the row is removed", by: "TestScenarios/T10:_a_process_that_closes", edits: []edit{
		{"cache.go", "	changes := c.changes.close(ctx)\n	c.stop()\n", "	changes := c.changes.close(ctx)\n	c.leaveMembers(ctx)\n	c.stop()\n"},
		{"cache.go", "		c.leaveMembers(ctx) // after the last poll: only now nothing is answered from memory for sure\n", ""},
	}},
	{rule: "14: an unknown token is forgotten when a key is created", faults: "bus", edits: []edit{
		{"epoch.go", "	raise(&h.revealing, revealing)\n", ""},
	}},
	{rule: "14: an unknown token is forgotten before the acknowledgement", faults: "", edits: []edit{
		{"epoch.go", "	raise(&h.revealing, revealing)\n", "	defer time.AfterFunc(20*time.Millisecond, func() { raise(&h.revealing, revealing) })\n"},
	}},
	{rule: "14: a poll tells of keys that were created", faults: "bus", edits: []edit{
		{"feed.go", "		e.hear(feed.Head, newestRevealing(feed.Events)) // (1)\n", "		e.hear(feed.Head, 0)\n"},
	}},
	{rule: "14: a message tells of keys that were created", faults: "", edits: []edit{
		{"listen.go", "revealing: newestRevealing(change.Events), drop:", "revealing: 0, drop:"},
	}},
	{rule: "14: a message after events not heard of tells of keys that may have been created", faults: "store down", edits: []edit{
		{"listen.go", "	if e.need.Load() < a.first-1 {\n", "	if false {\n"},
	}},
	{rule: "14: an unknown token counts as of when it was looked up", faults: "store down", edits: []edit{
		{"lookup.go", "unknown{asOf: answer.Head,", "unknown{asOf: maxEventID,"},
	}},
	{rule: "14: a poll corrects a need that was forged", faults: "forged message", edits: []edit{
		{"feed.go", "	e.correct(known.heard, feed.Head)\n", ""},
	}},
	{rule: "14: only a poll that began after a message can prove it wrong", faults: "bus,store slow", edits: []edit{
		{"feed.go", "	var known bounds\n	if e := c.epoch.Load(); e != nil {\n		known = bounds{heard: e.need.Load(), sure: e.sure.Load()}\n	}\n", ""},
		{"feed.go", "	if feed.ID == \"\" {\n", "	var known bounds\n	if e := c.epoch.Load(); e != nil {\n		known = bounds{heard: e.need.Load(), sure: e.sure.Load()}\n	}\n	if feed.ID == \"\" {\n"},
	}},
	{rule: "14: a store that ends before what a message with a MAC told of has been restored", by: "TestScenarios/3.6:_a_store", edits: []edit{
		{"listen.go", "		e.told(a.last)\n", ""},
	}},
	{rule: "14: a store that ends before what an entry with a MAC told of has been restored", by: "TestScenarios/3.6:_a_store", edits: []edit{
		{"lookup.go", "		e.told(asOf) // by whoever filled it, and has read that from the store\n", ""},
	}},
	{rule: "14: a message without a MAC proves no restore", faults: "forged message", edits: []edit{
		{"listen.go", "	if c.o.Sealer != nil {\n", "	if true {\n"},
	}},
	{rule: "14: a message from before a restore proves no second one", by: "TestScenarios/14:_messages", edits: []edit{
		{"epoch.go", "	if event > h.former {\n", "	if true {\n"},
	}},
	{rule: "14: after a restore of the store a new generation, whatever the watermark says", by: "TestScenarios/3.6", edits: []edit{
		{"feed.go", "		h.distrusted.Store(true)\n", ""},
	}},
	{rule: "14: after a restore of the store the next repair is a new generation", by: "TestScenarios/3.6", edits: []edit{
		{"repair.go", " || forced ||", " ||"},
	}},
	{rule: "14: a process that starts repairs Redis before it uses it", by: "TestScenarios/14:_processes", edits: []edit{
		{"epoch.go", "	h.sure.Store(head)\n", "	h.sure.Store(head)\n	h.aligned.Store(true)\n"},
	}},
}
