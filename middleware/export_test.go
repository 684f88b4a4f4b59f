package keyauth

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/latchkey-go/latchkey/internal/guard"
	"github.com/latchkey-go/latchkey/store"
)

// Told is a row of the status table as a client sees it.
type Told struct {
	Status int
	Body   string
	Header map[string][]string
}

// Tell is what the table says about err.
func Tell(err error) Told {
	g, h := guard.Must(guard.Config{Keys: new(store.Keys), RetryAfter: 7 * time.Second}), http.Header{}
	refused := g.Refusal(h, nil, err)
	body, err := json.Marshal(refused.Body)
	if err != nil {
		panic(err)
	}
	return Told{Status: refused.Status, Body: string(body), Header: h}
}
