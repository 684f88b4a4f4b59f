package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/cache"
	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
)

// access is how a command reaches the keys: what flags say, else the environment.
type access struct {
	*program
	database     string
	changes      bool // what follows is for commands that may change keys
	redis        string
	prefix       string
	withoutRedis bool
	actor        string
	namespace    string
	makesFile    bool // an SQLite file that is missing is made
}

// reading declares the flags of commands that only read.
func (p *program) reading(flags *flag.FlagSet) *access {
	a := &access{program: p}
	flags.StringVar(&a.database, "database", "", "`URL` of the keys' database, sqlite:PATH or postgres://… (default $DATABASE_URL)")
	return a
}

// changing declares the flags of commands that change keys.
func (p *program) changing(flags *flag.FlagSet) *access {
	a := p.reading(flags)
	a.changes = true
	flags.StringVar(&a.redis, "redis", "", "`URL` of the Redis that the running instances use, if they do (default $REDIS_URL)")
	flags.StringVar(&a.prefix, "redis-prefix", cache.DefaultKeyPrefix, "their cache.Options.KeyPrefix, a `TEXT`")
	flags.BoolVar(&a.withoutRedis, "without-redis", false, "change keys without telling Redis although running instances use it")
	flags.StringVar(&a.actor, "actor", "", "`NAME` of who makes the change, for the audit log (default \"cli:\" and the name of your account)")
	return a
}

// minting declares the flag of commands that make tokens, beside those of changing.
func (p *program) minting(flags *flag.FlagSet) *access {
	a := p.changing(flags)
	flags.StringVar(&a.namespace, "namespace", p.getenv("LATCHKEY_NAMESPACE"), "what stands in new tokens, sk_`NAME`_…: your store.Options.Namespace (default $LATCHKEY_NAMESPACE)")
	return a
}

// settings are the flags and the environment, read and found to be right.
type settings struct {
	database dburl.Database
	redis    *redis.UniversalOptions // nil: none
	sealer   *store.Sealer
	actor    string
}

func (a *access) settings() (s settings, err error) {
	address, name := a.database, "-database"
	if address == "" {
		address, name = a.getenv("DATABASE_URL"), "DATABASE_URL"
	}
	if address == "" {
		return s, usagef("which database? Set DATABASE_URL or give -database: sqlite:PATH or postgres://user:password@host:port/database")
	}
	if s.database, err = dburl.Parse(address); err != nil {
		return s, usagef("%s %w", name, err)
	}
	if file := s.database.File(); file != "" && !a.makesFile {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return s, usagef("%s: there is no file %s (create, import and migrate make one)", name, file)
		}
	}
	if s.sealer, err = a.sealer(); err != nil {
		return s, err
	}
	if !a.changes {
		return s, nil
	}
	if err := checkNamespace(a.namespace); err != nil {
		return s, err
	}
	if a.withoutRedis && a.redis != "" {
		return s, usagef("-redis and -without-redis: one of them, not both")
	}
	address, name = a.redis, "-redis"
	if address == "" {
		address, name = a.getenv("REDIS_URL"), "REDIS_URL"
	}
	if address != "" && !a.withoutRedis {
		if s.redis, err = cache.ParseRedisURL(address); err != nil {
			return s, usagef("%s %w", name, err)
		}
		s.redis.IdentitySuffix = "latchkey-cli" // ClientName would need the right to CLIENT SETNAME
	}
	s.actor = cmp.Or(a.actor, "cli:"+userName())
	if len(s.actor) > 255 {
		return s, usagef("-actor is %d bytes long, at most 255 are allowed", len(s.actor))
	}
	if !utf8.ValidString(s.actor) {
		return s, usagef("-actor is not valid UTF-8")
	}
	return s, nil
}

// sealer reads the peppers. They come from the environment alone: arguments show in the list of processes.
func (p *program) sealer() (*store.Sealer, error) {
	var peppers []string
	for pepper := range strings.SplitSeq(p.getenv("LATCHKEY_PEPPERS"), ",") {
		if pepper = strings.TrimSpace(pepper); pepper != "" {
			peppers = append(peppers, pepper)
		}
	}
	sealer, err := store.NewSealer(peppers)
	if err != nil {
		return nil, usagef("LATCHKEY_PEPPERS: %w", err)
	}
	return sealer, nil
}

func checkNamespace(name string) error {
	keys, err := store.Options{Namespace: name, FlushInterval: -1}.New(store.NewMemory())
	if err != nil {
		return usagef("-namespace, or LATCHKEY_NAMESPACE: %w", err)
	}
	return keys.Close(context.Background())
}

func userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "uid " + strconv.Itoa(os.Getuid())
}
