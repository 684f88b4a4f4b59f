package redisfault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/latchkey-go/latchkey/internal/redisfault"
)

// answered is an error as go-redis returns what the server has said.
type answered string

func (a answered) Error() string { return string(a) }
func (answered) RedisError()     {}

func TestWord(t *testing.T) {
	var _ redis.Error = answered("") // go-redis calls the same errors its own
	for _, test := range []struct {
		err     error
		word    string
		refused bool
	}{
		{nil, "", false},
		{io.EOF, "UNREACHABLE", false},
		{context.DeadlineExceeded, "UNREACHABLE", false},
		{errors.New("READONLY You can't write"), "UNREACHABLE", false}, // not from Redis
		{answered("READONLY You can't write against a read only replica."), "READONLY", true},
		{fmt.Errorf("failed to authenticate: %w", answered("WRONGPASS invalid username-password pair")), "WRONGPASS", true},
		{answered("ERR unknown command 'EVALSHA', with args beginning with: 'OOM '"), "unknown_command", true},
		{answered("ERR Unknown Redis command called from script script: 5f, on @user_script:4."), "unknown_command", true},
		{answered("ERR The user executing the script can't run this command or subcommand script: 5f"), "NOPERM", true},
		{answered("ERR Error running script (call to f_5f): @user_script:8: @user_script: 8: -MISCONF Redis is configured"), "MISCONF", true},
		{answered("ERR value 'x: -READONLY ' is not an integer"), "ERR", false},
		{answered("WRONGTYPE Operation against a key holding the wrong kind of value"), "ERR", false},
		{answered("sk_secret"), "ERR", false},
		{answered(""), "ERR", false},
		{redis.Nil, "ERR", false},
	} {
		if got := redisfault.Word(test.err); got != test.word {
			t.Errorf("%v: %q, want %q", test.err, got, test.word)
		}
		if got := redisfault.Refused(test.err); got != test.refused {
			t.Errorf("%v: refused %v, want %v", test.err, got, test.refused)
		}
		if test.word != "" && !slices.Contains(redisfault.Words(), test.word) {
			t.Errorf("%q is not in the list", test.word)
		}
	}
}
