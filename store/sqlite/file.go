package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// file is the database file of one Store, and a sqldb.Files. SQLite goes on with an open file when
// another one takes its place: changes that other processes make then never arrive here.
type file struct {
	given string // Options.File
	path  string // as SQLite reports it, without symbolic links; "": not known yet, or in memory
	open  []opened

	mu   sync.Mutex
	hold driver.Conn // guarded by mu
}

// opened is a file as it was when the Store began to use it.
type opened struct {
	path string
	info fs.FileInfo
}

func (f *file) String() string {
	if f.path != "" {
		return f.path
	}
	return f.given
}

// Watch notes which files are open. It also opens a connection of its own, which stays. While that
// has read, SQLite never removes the files that it keeps beside the database, whatever the pool
// does with its connections. So whenever one of them is missing, somebody else has removed it. And
// while a file is open, no new one can have its inode number.
func (f *file) Watch(ctx context.Context, db *sql.DB, conn *sql.Conn) error {
	// Windows neither removes nor replaces a file that is open: there is nothing to compare.
	if f.path == "" || runtime.GOOS == "windows" {
		return nil
	}
	name := f.path
	if f.given != "" {
		var err error
		if name, err = filepath.Abs(f.given); err != nil {
			return err
		}
	}
	main, err := stat(name)
	if err != nil {
		return err
	}
	if again, err := stat(f.path); err != nil {
		return err
	} else if !os.SameFile(main.info, again.info) {
		return store.Errorf(store.ErrInvalid, "sqlite: Options.File is %s, but the pool has opened %s", name, f.path)
	}
	var mode string
	if err := conn.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode); err != nil {
		return err
	}
	if lost.has(main.info) {
		return replaced("what belongs to %s has been removed or replaced", f.path)
	}
	f.open = []opened{main}
	if f.holds(ctx, db.Driver(), mode == "wal") {
		for _, beside := range []string{"-wal", "-shm"} {
			if found, err := stat(f.path + beside); err == nil {
				f.open = append(f.open, found)
			}
		}
	}
	if err := f.Check(); err != nil { // replaced just now: the next attempt finds one file or the other
		return errors.Join(err, f.Close())
	}
	return nil
}

// holds opens the connection that stays, and reports whether it has read, so that the files beside
// the database stay too. A driver that understands no file: name, or a pool that lets no other
// connection in, goes without.
func (f *file) holds(ctx context.Context, d driver.Driver, read bool) bool {
	conn, err := d.Open("file:" + (&url.URL{Path: f.path}).EscapedPath() + "?mode=rw")
	if err != nil {
		return false
	}
	f.mu.Lock()
	f.hold = conn
	f.mu.Unlock()
	for deadline := time.Now().Add(time.Second); read; {
		if err := readSchema(ctx, conn); err == nil {
			return true
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			break
		}
		time.Sleep(5 * time.Millisecond) // another connection recovers the -wal
	}
	return false
}

func readSchema(ctx context.Context, conn driver.Conn) error {
	db, ok := conn.(driver.QueryerContext)
	if !ok {
		return errors.ErrUnsupported
	}
	rows, err := db.QueryContext(ctx, `SELECT count(*) FROM sqlite_master`, nil)
	if err != nil {
		return err
	}
	return errors.Join(rows.Next(make([]driver.Value, 1)), rows.Close())
}

func stat(path string) (opened, error) {
	info, err := os.Stat(path)
	return opened{path, info}, err
}

// Check implements sqldb.Files. What has been removed does not count as there again when it is put
// back: it may lack what was written meanwhile. An error that says nothing about the file may pass.
func (f *file) Check() error {
	for i, o := range f.open {
		now, err := os.Stat(o.path)
		switch {
		case err == nil && os.SameFile(now, o.info):
			continue
		case err == nil:
			err = replaced("%s is another file than the one that was opened", o.path)
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			err = replaced("%s has been removed or renamed", o.path)
		default:
			return fmt.Errorf("sqlite: %w: %w", store.ErrUnavailable, err)
		}
		if i > 0 { // the database itself is still there
			lost.add(f.open[0].info)
		}
		return err
	}
	return nil
}

func replaced(format string, path string) error {
	return fmt.Errorf("sqlite: %w: "+format+" while the database was in use. "+
		"Stop every program that uses it, put the right file in place, and start them again", store.ErrReplaced, path)
}

// Stamp implements sqldb.Files by the sizes and times of the files that a commit writes. Two writes
// may have the same time, as clocks of file systems are coarse (2 s at most, FAT): a file that has
// just been written says nothing. Windows sets times late.
func (f *file) Stamp() uint64 {
	if f.path == "" || runtime.GOOS == "windows" {
		return 0
	}
	var stamp maphash.Hash
	stamp.SetSeed(stampSeed)
	for _, path := range []string{f.path, f.path + "-wal"} {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil, time.Since(info.ModTime()) < 2*time.Second:
			return 0
		default:
			maphash.WriteComparable(&stamp, [2]int64{info.Size(), info.ModTime().UnixNano()})
		}
	}
	return max(1, stamp.Sum64())
}

var stampSeed = maphash.MakeSeed()

// Close implements sqldb.Files. When the last connection to a file is closed, SQLite removes the
// -wal whose name belongs to it, and with it what others have written into a new one of that name.
// So what has been replaced stays open until the program ends.
func (f *file) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hold == nil || errors.Is(f.Check(), store.ErrReplaced) {
		return nil
	}
	hold := f.hold
	f.hold = nil
	return hold.Close()
}

// lost are the database files of which this process has an old -wal or -shm open. SQLite shares
// these among all connections of a process, new ones too: a Store that is opened again must not
// work with them.
var lost lostFiles

type lostFiles struct {
	mu    sync.Mutex
	files []fs.FileInfo
}

func (l *lostFiles) add(file fs.FileInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.ContainsFunc(l.files, func(f fs.FileInfo) bool { return os.SameFile(f, file) }) {
		l.files = append(l.files, file)
	}
}

func (l *lostFiles) has(file fs.FileInfo) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.files, func(f fs.FileInfo) bool { return os.SameFile(f, file) })
}
