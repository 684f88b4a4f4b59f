package middleware

import "time"

// Told is a row of the status table as a client sees it.
type Told struct {
	Status int
	Body   string
	Header map[string][]string
}

// Tell is what the table says about err.
func Tell(err error) Told {
	a, h := answerTo(err), map[string][]string{}
	a.setHeaders(h, "", "7")
	return Told{Status: a.status, Body: string(a.body.json()), Header: h}
}

// InBubble returns the config for a guard whose time is that of a synctest bubble.
func InBubble(c Config) Config {
	c.pause = time.Sleep
	return c
}

// ForgetPreflights makes the process warn of preflights as if none had come.
func ForgetPreflights() { preflightWarned.Store(false) }
