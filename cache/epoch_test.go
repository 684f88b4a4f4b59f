package cache

import (
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

// fed is a feed of the events from first on, one for each tag.
func fed(first int64, tags ...store.Tag) store.Feed {
	f := store.Feed{ID: "feed", Head: first - 1}
	for _, tag := range tags {
		f.Head++
		f.Tag = tag
		f.Events = append(f.Events, store.FeedEvent{ID: f.Head, Tag: tag})
	}
	return f
}

func TestHistory(t *testing.T) {
	t.Run("what is sure stands, and what is not gives way", func(t *testing.T) {
		h := newHistory("feed", position{10, 100})
		for _, step := range []struct {
			at     position
			sure   bool
			agrees bool
		}{
			{position{10, 100}, true, true},
			{position{10, 101}, true, false},
			{position{10, 101}, false, false},
			{position{10, 0}, true, true}, // without a tag nothing is known
			{position{12, 120}, false, true},
			{position{12, 121}, false, true},
			{position{12, 122}, true, true},
			{position{12, 120}, true, false},
			{position{13, 0}, true, true},
			{position{13, 130}, true, true},
			{position{13, 131}, true, false},
		} {
			if got := h.learn(step.at, step.sure); got != step.agrees {
				t.Errorf("learn(%v, %v) is %v", step.at, step.sure, got)
			}
		}
		if h.confirmedHead.Load() != 13 || !h.knows(position{12, 122}, false) || h.knows(position{12, 120}, true) || h.knows(position{11, 1}, false) || !h.knows(position{11, 1}, true) {
			t.Errorf("sure of %d; %v", h.confirmedHead.Load(), h.tags)
		}
	})
	t.Run("a feed contradicts what is sure and nothing else", func(t *testing.T) {
		for _, c := range []struct {
			feed        store.Feed
			contradicts bool
		}{
			{fed(10, 100), false},
			{fed(10, 100, 110, 120, 130), false},
			{fed(10, 100, 110, 121), false},
			{fed(10, 0, 0), false},
			{fed(10, 101), true},
			{fed(10, 100, 111, 120), true},
		} {
			h := newHistory("feed", position{10, 100})
			h.learn(position{11, 110}, true)
			h.learn(position{12, 120}, false)
			if agrees := h.mergePoll(c.feed); agrees == c.contradicts {
				t.Errorf("%v agrees: %v", c.feed, agrees)
			}
		}
		h := newHistory("feed", position{10, 100})
		if !h.mergePoll(fed(10, 100, 110, 121)) || h.learn(position{12, 120}, true) || h.confirmedHead.Load() != 12 {
			t.Error("a poll is sure")
		}
	})
	t.Run("a watermark without a tag is not believed before the first repair", func(t *testing.T) {
		h := newHistory("feed", position{10, 100})
		feed := fed(9, 0, 100)
		if h.isAt(position{9, 0}, feed) || !h.isAt(position{}, feed) || !h.isAt(position{10, 100}, fed(10, 100)) {
			t.Error("before")
		}
		if h.aligned.Store(true); !h.isAt(position{9, 0}, feed) || h.isAt(position{9, 1}, feed) {
			t.Error("after")
		}
	})
	t.Run("what was heard of without proof is forgotten with the next poll, and what is sure is not", func(t *testing.T) {
		h := newHistory("feed", position{10, 100})
		h.learn(position{12, 120}, false)
		h.learn(position{13, 130}, true)
		h.mergePoll(fed(10, 100))
		if h.knows(position{12, 120}, false) || !h.knows(position{13, 130}, false) {
			t.Errorf("known is %v", h.tags)
		}
	})
	t.Run("it does not grow, and says what it could not hold", func(t *testing.T) {
		h := newHistory("feed", position{10, 100})
		for id := range int64(5 * replayLimit) {
			h.learn(position{1000 + id, 1}, false)
		}
		if h.tagsLost.Load() {
			t.Error("what is not sure is not missed")
		}
		h.learn(position{100_000, 1}, true)
		if !h.tagsLost.Load() || len(h.tags) != 3*replayLimit {
			t.Errorf("%d tags, missing is %v", len(h.tags), h.tagsLost.Load())
		}
		h.mergePoll(fed(200_000, 7))
		if len(h.tags) != 1 {
			t.Errorf("%d tags after a poll", len(h.tags))
		}
	})
	t.Run("messages of a history that is over teach nothing", func(t *testing.T) {
		h := newHistory("feed", position{10, 100})
		h.previousHead = 13
		if !h.learnAnnounced(position{10, 101}, true) || !h.learnAnnounced(position{13, 130}, true) || h.confirmedHead.Load() != 10 || h.knows(position{13, 130}, false) {
			t.Errorf("sure of %d; %v", h.confirmedHead.Load(), h.tags)
		}
		if !h.learnAnnounced(position{14, 140}, true) || !h.learnAnnounced(position{15, 0}, true) || h.confirmedHead.Load() != 15 || h.knows(position{15, 0}, false) {
			t.Errorf("sure of %d; %v", h.confirmedHead.Load(), h.tags)
		}
	})
}
