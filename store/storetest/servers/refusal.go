package servers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Refusal is a state in which a Redis server answers but refuses some commands.
type Refusal struct {
	Name string   // completes "Redis …"
	Word string   // the word that programs should report
	Args []string // for NewRedis
	// The refused kinds of commands. Scripts that only read are not writes.
	Read, Write, Publish, Subscribe bool

	begin, end func(s *RedisServer)
}

// Begin starts the refusal. It must not have begun already.
func (r Refusal) Begin(s *RedisServer) {
	s.tb.Helper()
	s.requireOwn()
	s.Do("ACL", "SETUSER", root, "on", ">"+root, "~*", "&*", "+@all")
	r.begin(s)
}

// End ends the refusal.
func (r Refusal) End(s *RedisServer) { s.tb.Helper(); r.end(s) }

// root is a user that no refusal affects. Refusals affect the default user.
const root = "latchkey-root"

// Refusals returns the refusals that a running server can begin and end.
func Refusals() []Refusal {
	acl := func(name string, rules ...string) Refusal {
		return Refusal{
			Name: name, Word: "NOPERM",
			begin: func(s *RedisServer) { s.Do(append([]string{"ACL", "SETUSER", "default"}, rules...)...) },
			end:   func(s *RedisServer) { s.Do("ACL", "SETUSER", "default", "+@all", "allchannels") },
		}
	}
	scripts := acl("allows no scripts", "-@scripting")
	scripts.Write = true
	writes := acl("allows no writes, in scripts either", "-@write")
	writes.Write = true
	reads := acl("allows no reads, in scripts either", "-@read")
	reads.Read, reads.Write = true, true
	channels := acl("allows no channels", "resetchannels")
	channels.Publish, channels.Subscribe = true, true
	return []Refusal{
		scripts, writes, reads, channels,
		{
			Name: "is a replica whose primary is gone", Word: "READONLY", Write: true,
			begin: func(s *RedisServer) { s.Do("REPLICAOF", "127.0.0.1", "1") },
			end:   func(s *RedisServer) { s.Do("REPLICAOF", "NO", "ONE") },
		},
		{
			Name: "cannot save to disk", Word: "MISCONF", Write: true,
			begin: func(s *RedisServer) {
				s.must("be in the way of dump.rdb", os.Mkdir(filepath.Join(s.folder, "dump.rdb"), 0o700))
				s.Do("CONFIG", "SET", "save", "3600 1000000")
				s.save("err")
			},
			end: func(s *RedisServer) {
				s.must("make way for dump.rdb", os.Remove(filepath.Join(s.folder, "dump.rdb")))
				s.save("ok")
			},
		},
		{
			Name: "is full", Word: "OOM", Write: true,
			begin: func(s *RedisServer) { s.Do("CONFIG", "SET", "maxmemory", "1") },
			end:   func(s *RedisServer) { s.Do("CONFIG", "SET", "maxmemory", "0") },
		},
		{
			Name: "has got a password", Word: "NOAUTH", Read: true, Write: true, Publish: true, Subscribe: true,
			begin: func(s *RedisServer) {
				s.Do("CONFIG", "SET", "requirepass", "secret")
				for _, kind := range []string{"normal", "pubsub"} { // connected clients would stay logged in
					s.Do("CLIENT", "KILL", "TYPE", kind)
				}
			},
			end: func(s *RedisServer) { s.Do("CONFIG", "SET", "requirepass", "") },
		},
	}
}

// WithoutScripts is a server without EVALSHA and EVAL.
func WithoutScripts() Refusal {
	return Refusal{
		Name: "knows no scripts", Word: "unknown_command", Write: true,
		Args:  []string{"--rename-command", "EVALSHA", "", "--rename-command", "EVAL", ""},
		begin: func(*RedisServer) {},
		end:   func(s *RedisServer) { s.tb.Helper(); s.tb.Fatal("EVALSHA does not come back") },
	}
}

// Do sends one command as a user with all rights. If Redis answers with an error, the test ends.
func (s *RedisServer) Do(args ...string) string {
	s.tb.Helper()
	s.requireOwn()
	conn, err := net.DialTimeout("tcp", s.addr, time.Second)
	s.must("reach", err)
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(startTimeout))
	in := bufio.NewReader(conn)
	command := func(args ...string) (string, error) {
		var b strings.Builder
		fmt.Fprintf(&b, "*%d\r\n", len(args))
		for _, arg := range args {
			fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
		}
		_, err := conn.Write([]byte(b.String()))
		s.must("send a command to", err)
		return readReply(in)
	}
	_, _ = command("AUTH", root, root) // refused until that user exists
	answer, err := command(args...)
	if err != nil {
		s.tb.Fatalf("redis-server: %s: %v", args[0], err)
	}
	return answer
}

// readReply reads one reply. An error of Redis is an error that begins with "-".
func readReply(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if strings.HasPrefix(line, "-") {
		return "", errors.New(line)
	}
	size, isBulk := strings.CutPrefix(line, "$")
	if !isBulk || size == "-1" {
		return line, nil
	}
	n, err := strconv.Atoi(size)
	if err != nil {
		return "", err
	}
	text := make([]byte, n)
	_, err = io.ReadFull(in, text)
	return string(text), err
}

// save saves in the background until the save ends with the status.
func (s *RedisServer) save(status string) {
	s.tb.Helper()
	s.Do("BGSAVE", "SCHEDULE")
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(2 * time.Millisecond) {
		info := s.Do("INFO", "persistence")
		if strings.Contains(info, "rdb_last_bgsave_status:"+status) && strings.Contains(info, "rdb_bgsave_in_progress:0") {
			return
		}
		if time.Now().After(deadline) {
			s.tb.Fatalf("redis-server: the save never ended as %q", status)
		}
	}
}
