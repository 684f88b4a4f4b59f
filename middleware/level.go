package middleware

import (
	"context"
	"errors"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// defaultRefusalTime is more than a lookup takes in a database that is near. With one that is far, the way there varies by more than what
// is to be hidden.
const defaultRefusalTime = 5 * time.Millisecond

// level waits until as much time has passed since began as every refusal takes whose credential was looked up: a row that is there is
// read, checked and kept, one that is not is not, and the difference, some microseconds, could be measured. Malformed credentials are not
// looked up, and everybody can see that they are malformed; they cost no waiting.
func (g *guard) level(ctx context.Context, began time.Duration, err error) {
	if g.RefusalTime <= 0 || !isFailure(err) || errors.Is(err, store.ErrMalformed) {
		return
	}
	left := g.RefusalTime - g.elapsed()
	if left += began; left <= 0 {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done(): // nobody waits for the answer
	}
}

// elapsed is a clock for differences; it costs half of what time.Now does.
func (g *guard) elapsed() time.Duration { return time.Since(g.made) }
