package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"time"
)

// errUsage is matched by errors about flags.
var errUsage = errors.New("see loadtest -h")

func usage(format string, args ...any) error {
	return fmt.Errorf(format+" (%w)", append(args, errUsage)...)
}

// config is what the flags say.
type config struct {
	url, tokens string
	connections int
	duration    time.Duration
	mix         mix
}

// parseFlags reads the flags and checks them against each other. Its errors match errUsage, or
// flag.ErrHelp when help was asked for and has been written to w.
func parseFlags(args []string, w io.Writer) (config, error) {
	var c config
	f := flag.NewFlagSet("loadtest", flag.ContinueOnError)
	f.SetOutput(w)
	f.Usage = func() {
		fmt.Fprint(w, "Sends requests with API keys to a guarded route and tells how long the answers took.\n\nFlags:\n")
		f.PrintDefaults()
		fmt.Fprint(w, "\nExamples:\n  loadtest -connections 256 -duration 30s\n  loadtest -warm 0 -cold 0 -unknown 100 -bad 0\n  loadtest -url http://127.0.0.1:9000/store/products -tokens keys.txt\n")
	}
	f.StringVar(&c.url, "url", "", "a guarded `route` to send GET requests to; without it, the program starts a server of its own")
	f.StringVar(&c.tokens, "tokens", "", "`file` with valid tokens for -url, one a line: the first is the warm one, the others are used in turn as cold ones")
	f.IntVar(&c.connections, "connections", 64, "connections, each of which waits for its answer before it sends again")
	f.DurationVar(&c.duration, "duration", 10*time.Second, "for how long")
	defaults := mix{warm: 90, cold: 5, unknown: 3, bad: 2}
	help := map[class]string{
		warm:    "percent of requests with one valid key, over and over",
		cold:    "percent with one of many valid keys, so many that the server's own cache does not keep them",
		unknown: "percent with well-formed tokens that no key has",
		bad:     "percent with tokens whose checksum is wrong",
	}
	for k := range classes {
		f.IntVar(&c.mix[k], k.String(), defaults[k], help[k])
	}
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return c, err
		}
		return c, fmt.Errorf("%w: %w", errUsage, err)
	}
	return c, c.check(f.Args())
}

func (c config) check(rest []string) error {
	sum := 0
	for k, share := range c.mix {
		if share < 0 {
			return usage("-%s is %d; a share cannot be negative", class(k), share)
		}
		sum += share
	}
	switch {
	case len(rest) > 0:
		return usage("%q is not a flag", rest[0])
	case sum != 100:
		return usage("the shares (%s) add up to %d %%, not to 100", c.mix, sum)
	case c.connections < 1 || c.connections > 10_000:
		return usage("-connections is %d; it must be from 1 to 10000", c.connections)
	case c.duration <= 0:
		return usage("-duration is %v; it must be more than 0, 10s for example", c.duration)
	case c.url == "" && c.tokens != "":
		return usage("-tokens is for -url; the program's own server makes its own keys")
	case c.url == "":
		return nil
	}
	if u, err := url.Parse(c.url); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return usage("-url %q is not an http:// or https:// address", c.url)
	}
	if c.tokens == "" && c.mix[warm]+c.mix[cold] > 0 {
		return usage("with -url, warm and cold requests need valid keys: name a file of them with -tokens, or set -warm 0 -cold 0 -unknown 60 -bad 40, say")
	}
	return nil
}
