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

// file is the database file of one Store. It implements sqldb.Files. If another file takes its
// place, SQLite continues with the open one, and changes of other processes no longer arrive.
type file struct {
	given string // Options.File
	path  string // as SQLite reports it, without symbolic links; "": not known yet, or in memory
	open  []openFile

	mu     sync.Mutex
	pinned driver.Conn // guarded by mu
}

// openFile is a file as it was when the Store began to use it.
type openFile struct {
	path string
	info fs.FileInfo
}

func (f *file) String() string {
	if f.path != "" {
		return f.path
	}
	return f.given
}

// Watch implements sqldb.Files. It also opens a connection that stays open. After that connection
// has read, SQLite never removes the files beside the database, even if the pool closes all its
// connections. So if one is missing, another program has removed it. While a file is open, no new
// file can have its inode number.
func (f *file) Watch(ctx context.Context, db *sql.DB, conn *sql.Conn) error {
	// Windows does not remove or replace an open file, so there is nothing to compare.
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
	if staleFiles.has(main.info) {
		return replaced("what belongs to %s has been removed or replaced", f.path)
	}
	f.open = []openFile{main}
	if f.pin(ctx, db.Driver(), mode == "wal") {
		for _, beside := range []string{"-wal", "-shm"} {
			if found, err := stat(f.path + beside); err == nil {
				f.open = append(f.open, found)
			}
		}
	}
	if err := f.Check(); err != nil { // replaced just now; the next attempt finds one of the two files
		return errors.Join(err, f.Close())
	}
	return nil
}

// pin opens the connection that stays open. It returns true if the connection has read, so that the
// files beside the database stay too. It returns false if the driver does not support file: names
// or the pool's locking excludes other connections.
func (f *file) pin(ctx context.Context, d driver.Driver, read bool) bool {
	conn, err := d.Open("file:" + (&url.URL{Path: f.path}).EscapedPath() + "?mode=rw")
	if err != nil {
		return false
	}
	f.mu.Lock()
	f.pinned = conn
	f.mu.Unlock()
	for deadline := time.Now().Add(time.Second); read; {
		if err := readSchema(ctx, conn); err == nil {
			return true
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			break
		}
		time.Sleep(5 * time.Millisecond) // another connection is recovering the -wal
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

func stat(path string) (openFile, error) {
	info, err := os.Stat(path)
	return openFile{path, info}, err
}

// Check implements sqldb.Files. A file that was removed and put back still counts as replaced,
// because it may lack later changes. A temporary error of the file system is not store.ErrReplaced.
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
		if i > 0 { // the database file itself still exists
			staleFiles.add(f.open[0].info)
		}
		return err
	}
	return nil
}

func replaced(format string, path string) error {
	return fmt.Errorf("sqlite: %w: "+format+" while the database was in use. "+
		"Stop every program that uses it, put the right file in place, and start them again", store.ErrReplaced, path)
}

// Stamp implements sqldb.Files with the sizes and times of the files that a commit writes. Times of
// a file system can be coarse (at most 2 s, on FAT), so two writes may have the same time.
// Therefore a file that was just written has no stamp. Windows updates times late.
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

// Close implements sqldb.Files. When the last connection to a file closes, SQLite removes the -wal
// by its name, and with it the changes in a new file of that name. So a replaced file stays open
// until the program ends.
func (f *file) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pinned == nil || errors.Is(f.Check(), store.ErrReplaced) {
		return nil
	}
	pinned := f.pinned
	f.pinned = nil
	return pinned.Close()
}

// staleFiles are the database files of which this process has an old -wal or -shm open. SQLite
// shares these among all connections of a process, new ones too. So a Store that is opened again
// must not use them.
var staleFiles fileSet

type fileSet struct {
	mu    sync.Mutex
	files []fs.FileInfo
}

func (l *fileSet) add(file fs.FileInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.ContainsFunc(l.files, func(f fs.FileInfo) bool { return os.SameFile(f, file) }) {
		l.files = append(l.files, file)
	}
}

func (l *fileSet) has(file fs.FileInfo) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.files, func(f fs.FileInfo) bool { return os.SameFile(f, file) })
}
