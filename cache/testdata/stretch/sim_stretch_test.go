package cache

import (
	"strings"
	"time"
)

// stretch is where time passes between two steps of the protocol, in the copies that TestMutations
// makes.
func (c processClock) stretch(where string) {
	w := c.p.host.w
	ch := w.chance(where, c.p.host.index, 0)
	c.p.standStill()
	often := 20
	if strings.HasPrefix(where, "Lookup") {
		often = 1 // it is called that much more often
	}
	if !w.calm.Load() && ch.percent(often) {
		time.Sleep(ch.skewed(1, 50*time.Millisecond))
		c.p.standStill()
	}
}
