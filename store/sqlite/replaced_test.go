package sqlite_test

import (
	"bytes"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/internal/sqldb/sqldbtest"
	"github.com/latchkey-go/latchkey/store/sqlite"
)

// place is a folder with a database file in it, and what can happen to it while it is open.
type place struct {
	t            *testing.T
	folder, file string
}

func newPlace(t *testing.T) *place {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows removes and replaces no file that is open")
	}
	folder := filepath.Join(t.TempDir(), "data")
	p := &place{t, folder, filepath.Join(folder, "keys.db")}
	p.must(os.Mkdir(folder, 0o700))
	return p
}

func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func dsnOf(file string) string { return file + "?_pragma=busy_timeout(5000)" }

// with returns a store in the file, which has the record of that number.
func (p *place) with(o sqlite.Options, file string, n int) (*sqlite.Store, *sql.DB) {
	p.t.Helper()
	db := pool(p.t, dsnOf(file))
	s, err := o.Open(db)
	p.must(err)
	p.t.Cleanup(func() { s.Close(p.t.Context()) })
	p.must(s.Ready(p.t.Context()))
	p.insert(s, n)
	return s, db
}

func (p *place) insert(s store.Store, n int) {
	p.t.Helper()
	_, err := s.Change(p.t.Context(), store.Actor{}, func(tx store.Tx) error {
		return tx.Insert(p.t.Context(), sqldbtest.Record(n), sqldbtest.Event(store.Created))
	})
	p.must(err)
}

// copied writes a consistent copy of the database beside it, as a backup does, and returns its
// path.
func (p *place) copied() string {
	p.t.Helper()
	to := filepath.Join(p.t.TempDir(), "copy.db")
	db, err := sql.Open("sqlite", dsnOf(p.file))
	p.must(err)
	defer db.Close()
	_, err = db.Exec(`VACUUM INTO ?`, to)
	p.must(err)
	return to
}

func (p *place) remove(suffixes ...string) {
	p.t.Helper()
	for _, suffix := range suffixes {
		p.must(os.Remove(p.file + suffix))
	}
}

func found(t *testing.T, s store.Store, n int) bool {
	t.Helper()
	f, err := s.Lookup(t.Context(), sqldbtest.LookupID(n), "")
	if err != nil {
		t.Fatal(err)
	}
	return f.Record != nil
}

// everyPool is what pools people have: SQLite closes and makes its files anew with the connections.
var everyPool = map[string]func(*sql.DB){
	"a pool as database/sql makes it":    func(*sql.DB) {},
	"one connection":                     func(db *sql.DB) { db.SetMaxOpenConns(1) },
	"a pool that keeps no connection":    func(db *sql.DB) { db.SetMaxIdleConns(-1) },
	"a pool whose connections live 1 ns": func(db *sql.DB) { db.SetConnMaxLifetime(1) },
}

func TestRequirement11ADatabaseFileThatWasReplacedIsUnavailable(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(*place)
		says string // %s: the file
	}{
		"another file is moved over it": {func(p *place) {
			p.must(os.Rename(p.copied(), p.file))
		}, "keys.db is another file than the one that was opened"},
		"restored as the runbook says, without stopping": {func(p *place) {
			backup := p.copied()
			p.remove("-wal", "-shm")
			p.must(os.Rename(backup, p.file))
		}, "keys.db is another file than the one that was opened"},
		"removed": {func(p *place) {
			p.remove("")
		}, "keys.db has been removed or renamed"},
		"removed with all that belongs to it": {func(p *place) {
			p.remove("", "-wal", "-shm")
		}, "keys.db has been removed or renamed"},
		"removed, and another instance makes a new one": {func(p *place) {
			p.remove("", "-wal", "-shm")
			other, _ := p.with(quiet, p.file, 7)
			if !found(p.t, other, 7) || found(p.t, other, 1) {
				p.t.Error("the new file is not a new one")
			}
		}, "keys.db is another file than the one that was opened"},
		"copied away and back": {func(p *place) {
			p.must(os.Rename(p.file, p.file+".old"))
			in, err := os.ReadFile(p.file + ".old")
			p.must(err)
			p.must(os.WriteFile(p.file, in, 0o600))
		}, "keys.db is another file than the one that was opened"},
		"its -wal is removed": {func(p *place) {
			p.remove("-wal")
		}, "keys.db-wal has been removed or renamed"},
		"its -shm is removed": {func(p *place) {
			p.remove("-shm")
		}, "keys.db-shm has been removed or renamed"},
		"its -wal and -shm are removed and made anew": {func(p *place) {
			p.remove("-wal", "-shm")
			p.must(os.WriteFile(p.file+"-wal", nil, 0o600))
			p.must(os.WriteFile(p.file+"-shm", nil, 0o600))
		}, "keys.db-wal is another file than the one that was opened"},
		"its folder is renamed": {func(p *place) {
			p.must(os.Rename(p.folder, p.folder+".old"))
		}, "keys.db has been removed or renamed"},
		"a file takes the place of its folder": {func(p *place) {
			p.must(os.Rename(p.folder, p.folder+".old"))
			p.must(os.WriteFile(p.folder, nil, 0o600))
		}, "keys.db has been removed or renamed"},
		"another folder takes the place of its folder": {func(p *place) {
			other := &place{p.t, p.folder + ".new", p.folder + ".new/keys.db"}
			p.must(os.Mkdir(other.folder, 0o700))
			other.with(quiet, other.file, 7)
			p.must(os.Rename(p.folder, p.folder+".old"))
			p.must(os.Rename(other.folder, p.folder))
		}, "keys.db is another file than the one that was opened"},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, set := range everyPool {
				t.Run(kind, func(t *testing.T) {
					p := newPlace(t)
					var said bytes.Buffer
					s, db := p.with(sqlite.Options{Logger: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn}))}, p.file, 1)
					set(db)
					if !found(t, s, 1) {
						t.Fatal("the record is not there")
					}
					c.do(p)
					p.gone(s, c.says)
					if lines := strings.Split(strings.TrimSpace(said.String()), "\n"); len(lines) != 1 ||
						!strings.Contains(lines[0], "level=ERROR") || !strings.Contains(lines[0], p.folder+"/"+c.says) {
						t.Errorf("it logged\n%s", said.String())
					}
				})
			}
		})
	}
}

// gone asserts that Ready meets it, that every method then answers with it, and that Err names it.
func (p *place) gone(s *sqlite.Store, says string) {
	p.t.Helper()
	if err := s.Ready(p.t.Context()); !errors.Is(err, store.ErrReplaced) {
		p.t.Errorf("Ready: %v", err)
	}
	p.stays(s, says)
}

func (p *place) stays(s *sqlite.Store, says string) {
	p.t.Helper()
	errs := everyMethod(p.t.Context(), s)
	errs["Err"] = errors.Join(s.Err(), store.ErrUnavailable)
	for method, err := range errs {
		if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, store.ErrReplaced) || errors.Is(err, store.ErrClosed) ||
			!strings.Contains(err.Error(), p.folder+"/"+says) || !strings.Contains(err.Error(), "Stop every program that uses it") {
			p.t.Errorf("%s: %v", method, err)
		}
	}
}

func TestRequirement11AReplacedFileDoesNotCountAsBackWhenItIsPutBack(t *testing.T) {
	p := newPlace(t)
	s, _ := p.with(quiet, p.file, 1)
	p.must(os.Rename(p.file, p.file+".old"))
	p.gone(s, "keys.db has been removed")
	p.must(os.Rename(p.file+".old", p.file))
	p.stays(s, "keys.db has been removed")
	again, _ := p.with(quiet, p.file, 2) // what a restart does
	if !found(t, again, 1) || !found(t, again, 2) {
		t.Error("the file that was put back lacks a record")
	}
}

// Each method by itself meets it: a program may call no other.
func TestRequirement11EveryMethodNoticesThatTheFileWasReplaced(t *testing.T) {
	for method := range methods(t.Context(), nil) {
		t.Run(method, func(t *testing.T) {
			p := newPlace(t)
			s, _ := p.with(quiet, p.file, 1)
			p.remove("")
			err := methods(t.Context(), s)[method]()
			if method == "Lookup" { // which does not look each time
				sqldbtest.Eventually(t, "a lookup is refused", func() bool {
					err = methods(t.Context(), s)[method]()
					return err != nil
				})
			}
			if !errors.Is(err, store.ErrReplaced) || !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRequirement11AChangeIsNotReportedAsDoneInAFileThatWasReplaced(t *testing.T) {
	for name, c := range map[string]struct {
		when string // what the pool sends next
		last string // what it sends to end the transaction
	}{
		"it is rolled back when the file goes before the commit":   {"INSERT INTO latchkey_event", "ROLLBACK"},
		"it is not known to have happened when the file goes then": {"COMMIT", "COMMIT"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			db, log := sqldbtest.Open(t, "sqlite", dsnOf(p.file))
			s := open(t, db)
			p.insert(s, 1)
			log.Take()
			var once sync.Once
			log.Before(func(what string) {
				if strings.HasPrefix(what, c.when) {
					once.Do(func() { p.remove("") })
				}
			})
			_, err := s.Change(t.Context(), store.Actor{}, func(tx store.Tx) error {
				return tx.Insert(t.Context(), sqldbtest.Record(2), sqldbtest.Event(store.Created))
			})
			if sent := log.Take(); sent[len(sent)-1] != c.last {
				t.Errorf("sent %q", sent)
			}
			if !errors.Is(err, store.ErrReplaced) || !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Change: %v", err)
			}
		})
	}
}

// SQLite shares the -wal among all connections of a process: it is the process that must be
// restarted.
func TestRequirement11AFileWhoseWALWasReplacedCannotBeOpenedAgain(t *testing.T) {
	for _, beside := range []string{"-wal", "-shm"} {
		p := newPlace(t)
		s, db := p.with(quiet, p.file, 1)
		_, err := db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`) // SQLite itself then sees nothing wrong
		p.must(err)
		p.remove(beside)
		p.must(os.WriteFile(p.file+beside, nil, 0o600))
		p.gone(s, "keys.db"+beside+" is another file")
		p.must(s.Close(t.Context()))
		p.must(db.Close())
		if _, err := os.Stat(p.file + beside); err != nil {
			t.Errorf("the last to close the old one removed the new one: %v", err)
		}
		again, err := quiet.Open(pool(t, dsnOf(p.file)))
		p.must(err)
		for method, err := range everyMethod(t.Context(), again) {
			if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, store.ErrReplaced) || !strings.Contains(err.Error(), p.file) {
				t.Errorf("%s: %v", method, err)
			}
		}
		p.must(again.Close(t.Context()))
	}
}

func TestWhatSQLiteAndOthersDoToAFileIsNoReplacement(t *testing.T) {
	for kind, set := range everyPool {
		t.Run(kind, func(t *testing.T) {
			p := newPlace(t)
			s, db := p.with(quiet, p.file, 1)
			set(db)
			for n := range 20 {
				p.insert(s, 10+n)
				func() { // another program comes, writes and goes: the last to go would remove the -wal
					other, err := sql.Open("sqlite", dsnOf(p.file))
					p.must(err)
					defer other.Close()
					o, err := quiet.Open(other)
					p.must(err)
					p.insert(o, 100+n)
					_, err = other.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`)
					p.must(err)
					_, err = other.Exec(`VACUUM`)
					p.must(err)
					p.must(o.Close(t.Context()))
				}()
				p.must(s.Ready(t.Context()))
				if !found(t, s, 100+n) {
					t.Fatal("a record is missing")
				}
			}
		})
	}
	t.Run("nothing is made beside a database that nobody may change", func(t *testing.T) {
		p := newPlace(t)
		s, db := p.with(quiet, p.file, 1)
		p.must(s.Close(t.Context()))
		p.must(db.Close())
		fixed := open(t, pool(t, "file:"+dsnOf(p.file)+"&immutable=1"))
		if left, _ := filepath.Glob(p.file + "-*"); len(left) > 0 || !found(t, fixed, 1) {
			t.Errorf("made: %v", left)
		}
	})
	t.Run("a store that is closed lets SQLite put everything into the file", func(t *testing.T) {
		p := newPlace(t)
		s, db := p.with(quiet, p.file, 1)
		p.must(s.Close(t.Context()))
		p.must(db.Close())
		if left, _ := filepath.Glob(p.file + "-*"); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestSymbolicLinks(t *testing.T) {
	// linked returns a place whose file is a link to a.db in another folder, where there is a b.db
	// as well.
	linked := func(t *testing.T) (p *place, a, b string) {
		p = newPlace(t)
		folder := t.TempDir()
		a, b = filepath.Join(folder, "a.db"), filepath.Join(folder, "b.db")
		other, db := p.with(quiet, b, 7)
		p.must(other.Close(t.Context()))
		p.must(db.Close())
		p.must(os.Symlink(a, p.file))
		return p, a, b
	}
	t.Run("one that comes to lead elsewhere is noticed where its path is known", func(t *testing.T) {
		p, _, b := linked(t)
		s, _ := p.with(sqlite.Options{Logger: quiet.Logger, File: p.file}, p.file, 1)
		p.must(os.Symlink(b, p.file+".new"))
		p.must(os.Rename(p.file+".new", p.file))
		p.gone(s, "keys.db is another file")
	})
	t.Run("a file behind one that is replaced is noticed", func(t *testing.T) {
		for _, known := range []bool{true, false} {
			p, a, b := linked(t)
			o := quiet
			if known {
				o.File = p.file
			}
			s, _ := p.with(o, p.file, 1)
			p.must(os.Rename(b, a))
			if err := s.Ready(t.Context()); !errors.Is(err, store.ErrReplaced) {
				t.Errorf("with %q: %v", o.File, err)
			}
		}
	})
	t.Run("-wal and -shm are beside the file that a link leads to", func(t *testing.T) {
		p, a, _ := linked(t)
		s, _ := p.with(sqlite.Options{Logger: quiet.Logger, File: p.file}, p.file, 1)
		p.must(os.Remove(a + "-wal"))
		if err := s.Ready(t.Context()); !errors.Is(err, store.ErrReplaced) || !strings.Contains(err.Error(), a+"-wal") {
			t.Errorf("Ready: %v", err)
		}
	})
	t.Run("another file than that of the pool is refused", func(t *testing.T) {
		p, _, b := linked(t)
		_, err := sqlite.Options{Logger: quiet.Logger, File: b}.Open(pool(t, dsnOf(p.file)))
		if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), b) {
			t.Errorf("Open: %v", err)
		}
	})
	t.Run("a relative path is one from where the program was started", func(t *testing.T) {
		p := newPlace(t)
		t.Chdir(p.folder)
		s, _ := p.with(sqlite.Options{Logger: quiet.Logger, File: "keys.db"}, "keys.db", 1)
		t.Chdir(t.TempDir())
		p.must(s.Ready(t.Context()))
		p.must(os.Rename(p.file, p.file+".old"))
		p.gone(s, "keys.db has been removed")
	})
}

// A path that cannot be followed says nothing about the file: that may pass.
func TestRequirement11AFileThatCannotBeLookedAtIsUnavailableForAsLong(t *testing.T) {
	p := newPlace(t)
	real := filepath.Join(t.TempDir(), "real.db")
	p.must(os.Symlink(real, p.file))
	s, _ := p.with(sqlite.Options{Logger: quiet.Logger, File: p.file}, p.file, 1)
	p.remove("")
	p.must(os.Symlink(p.file, p.file)) // to itself
	sqldbtest.Eventually(t, "a lookup is refused", func() bool {
		_, err := s.Lookup(t.Context(), sqldbtest.LookupID(1), "")
		return err != nil
	})
	for method, err := range everyMethod(t.Context(), s) {
		if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrReplaced) || !strings.Contains(err.Error(), p.file) {
			t.Errorf("%s: %v", method, err)
		}
	}
	p.remove("")
	p.must(os.Symlink(real, p.file))
	p.must(s.Ready(t.Context()))
	if !found(t, s, 1) || s.Err() != nil {
		t.Errorf("the record is not there any more: %v", s.Err())
	}
}

// Errors name the file, since a machine can have many of them.
func TestErrorsNameTheFile(t *testing.T) {
	t.Run("when it cannot be opened, if the path is known", func(t *testing.T) {
		p := newPlace(t)
		missing := filepath.Join(p.folder, "later", "keys.db")
		s, err := sqlite.Options{Logger: quiet.Logger, File: missing}.Open(pool(t, dsnOf(missing)))
		p.must(err)
		t.Cleanup(func() { s.Close(t.Context()) })
		if err := s.Ready(t.Context()); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "sqlite ("+missing+"): connect") {
			t.Errorf("Ready: %v", err)
		}
	})
	t.Run("when it is none of SQLite's", func(t *testing.T) {
		p := newPlace(t)
		p.must(os.WriteFile(p.file, bytes.Repeat([]byte("text\n"), 1000), 0o600))
		_, err := sqlite.Options{Logger: quiet.Logger, File: p.file}.Open(pool(t, dsnOf(p.file)))
		if !errors.Is(err, store.ErrWrongDialect) || !strings.Contains(err.Error(), p.file) {
			t.Errorf("Open: %v", err)
		}
	})
	t.Run("when somebody else holds it, as SQLite knows it", func(t *testing.T) {
		p := newPlace(t)
		s, _ := p.with(quiet, p.file, 1)
		writer, err := pool(t, dsnOf(p.file)).Conn(t.Context())
		p.must(err)
		defer writer.Close()
		_, err = writer.ExecContext(t.Context(), `BEGIN IMMEDIATE`)
		p.must(err)
		if err := s.Join(t.Context(), store.Member{ID: "a"}); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "sqlite ("+p.file+"): join") {
			t.Errorf("Join: %v", err)
		}
	})
}

func TestAReplacedFileIsReportedOnceHoweverManyMeetIt(t *testing.T) {
	for range 20 {
		reportedOnce(t)
	}
}

func reportedOnce(t *testing.T) {
	p := newPlace(t)
	var said bytes.Buffer
	s, _ := p.with(sqlite.Options{Logger: slog.New(slog.NewTextHandler(&said, nil))}, p.file, 1)
	said.Reset()
	var ready, all sync.WaitGroup
	gone := make(chan struct{})
	for range 200 {
		ready.Add(1)
		all.Go(func() {
			ready.Done()
			<-gone
			if _, err := s.Count(t.Context(), store.Filter{}); !errors.Is(err, store.ErrReplaced) {
				t.Errorf("Count: %v", err)
			}
		})
	}
	ready.Wait()
	p.remove("")
	close(gone)
	all.Wait()
	if n := strings.Count(said.String(), "\n"); n != 1 {
		t.Errorf("%d lines", n)
	}
}
