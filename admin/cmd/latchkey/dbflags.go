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

// dbFlags are the flags for the database of the keys. Their defaults come from the environment.
type dbFlags struct {
	*program
	database     string
	changes      bool // the command may change keys; the following fields are for those
	redis        string
	prefix       string
	withoutRedis bool
	actor        string
	namespace    string
	createsFile  bool // create a missing SQLite file
}

// readFlags defines the flags of commands that only read.
func (p *program) readFlags(flags *flag.FlagSet) *dbFlags {
	a := &dbFlags{program: p}
	flags.StringVar(&a.database, "database", "",
		"`URL` of the keys' database, sqlite:PATH or postgres://… (default $DATABASE_URL)")
	return a
}

// writeFlags defines the flags of commands that change keys.
func (p *program) writeFlags(flags *flag.FlagSet) *dbFlags {
	a := p.readFlags(flags)
	a.changes = true
	flags.StringVar(&a.redis, "redis", "", "`URL` of the running instances' Redis, if they use one (default $REDIS_URL)")
	flags.StringVar(&a.prefix, "redis-prefix", cache.DefaultKeyPrefix, "their cache.Options.KeyPrefix, a `TEXT`")
	flags.BoolVar(&a.withoutRedis, "without-redis", false, "change keys without the Redis that running instances use")
	flags.StringVar(&a.actor, "actor", "",
		"`NAME` of the person who makes the change, for the audit log (default \"cli:\" and the name of your account)")
	return a
}

// createFlags defines the flags of commands that create tokens.
func (p *program) createFlags(flags *flag.FlagSet) *dbFlags {
	a := p.writeFlags(flags)
	flags.StringVar(&a.namespace, "namespace", p.getenv("LATCHKEY_NAMESPACE"),
		"namespace of new tokens, sk_`NAME`_…: your store.Options.Namespace (default $LATCHKEY_NAMESPACE)")
	return a
}

// settings are the checked values of the flags and the environment.
type settings struct {
	database dburl.Database
	redis    *redis.UniversalOptions // nil if none
	sealer   *store.Sealer
	actor    string
}

// address returns the value of a flag or else of a variable, and where it comes from.
func (p *program) address(value, flag, variable string) (address, source string) {
	if value != "" {
		return value, flag
	}
	return p.getenv(variable), variable
}

func (a *dbFlags) settings() (s settings, err error) {
	address, name := a.address(a.database, "-database", "DATABASE_URL")
	if address == "" {
		return s, usagef("which database? Set DATABASE_URL or -database: " +
			"sqlite:PATH or postgres://user:password@host:port/database")
	}
	if s.database, err = dburl.Parse(address); err != nil {
		return s, usagef("%s %w", name, err)
	}
	if file := s.database.File(); file != "" && !a.createsFile {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return s, usagef("%s: there is no file %s (create, import and migrate create one)", name, file)
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
		return s, usagef("use -redis or -without-redis, not both")
	}
	if address, name = a.address(a.redis, "-redis", "REDIS_URL"); address != "" && !a.withoutRedis {
		if s.redis, err = cache.ParseRedisURL(address); err != nil {
			return s, usagef("%s %w", name, err)
		}
		s.redis.IdentitySuffix = "latchkey-cli" // unlike ClientName, this needs no right to CLIENT SETNAME
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

// sealer reads the peppers. They have no flag, because arguments are visible in the process list.
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
