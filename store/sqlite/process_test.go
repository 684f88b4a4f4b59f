package sqlite_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/internal/sqldb/sqldbtest"
	"github.com/latchkey-go/latchkey/store/sqlite"
)

const (
	processes         = 3
	changesPerProcess = 40
	processEnv        = "LATCHKEY_TEST_SQLITE_PROCESS" // set: this process is one of several; its number and the DSN
)

func TestSeveralProcessesUseOneFile(t *testing.T) {
	if job := os.Getenv(processEnv); job != "" {
		if err := beOneProcess(t, job); err != nil {
			t.Fatal(err)
		}
		return
	}
	file := dsn(t)
	var running []*exec.Cmd
	for i := range processes {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSeveralProcessesUseOneFile$")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", processEnv, i, file))
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, cmd)
	}
	for _, cmd := range running {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, cmd.Stdout)
		}
	}
	s := open(t, pool(t, file))
	const want = processes * changesPerProcess
	feed, err := s.Feed(t.Context(), 0, 2*want)
	if err != nil || feed.Head != want || len(feed.Events) != want {
		t.Fatalf("head is %d and there are %d events, want %d (%v)", feed.Head, len(feed.Events), want, err)
	}
	for i, e := range feed.Events {
		if e.ID != int64(i)+1 {
			t.Fatalf("event %d has the number %d", i+1, e.ID)
		}
	}
}

func beOneProcess(t *testing.T, job string) error {
	var number int
	var file string
	if _, err := fmt.Sscanf(job, "%d %s", &number, &file); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return err
	}
	defer db.Close()
	s, err := sqlite.Open(db)
	if err != nil {
		return err
	}
	defer s.Close(t.Context())
	sqldbtest.Eventually(t, "ready", func() bool { return s.Ready(t.Context()) == nil })
	for i := range changesPerProcess {
		if _, err := sqldbtest.Insist(t.Context(), s, func(tx store.Tx) error {
			return tx.Insert(t.Context(), sqldbtest.Record(number*1000+i), sqldbtest.Event(store.Created))
		}); err != nil {
			return err
		}
	}
	return nil
}
