package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/latchkey-go/latchkey/store"
)

// file is the database file of one Store, and a sqldb.Files. SQLite goes on with an open file when another one takes its place:
// changes that other processes make then never arrive here.
type file struct {
	given string // Options.File
	path  string // as SQLite reports it: absolute, without symbolic links; "": not known yet, or in memory
	open  []opened
	hold  *sql.DB
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

// Watch notes which files are open. It also opens a connection of its own, which stays. While that has read, SQLite never
// removes the files that it keeps beside the database, whatever the pool does with its connections. So whenever one of
// them is missing, somebody else has removed it. And while a file is open, no new one can have its inode number.
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
	f.open = []opened{main}
	f.hold = sql.OpenDB(connector{db.Driver(), "file:" + (&url.URL{Path: f.path}).EscapedPath() + "?mode=rw"})
	f.hold.SetMaxOpenConns(1)
	if f.holds(ctx, mode == "wal") {
		for _, beside := range []string{"-wal", "-shm"} {
			if found, err := stat(f.path + beside); err == nil {
				f.open = append(f.open, found)
			}
		}
	}
	if err := f.Check(); err != nil { // replaced in these milliseconds: the next attempt finds one file or the other
		return errors.Join(err, f.hold.Close())
	}
	return nil
}

// holds opens the connection that stays, and reports whether it has read, so that the files beside the database stay too.
// A driver that understands no file: name, or a pool that lets no other connection in, goes without.
func (f *file) holds(ctx context.Context, read bool) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if !read {
		if conn, err := f.hold.Conn(ctx); err == nil {
			_ = conn.Close() // into the pool
		}
		return false
	}
	for {
		var tables int
		err := f.hold.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master`).Scan(&tables)
		if err == nil {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func stat(path string) (opened, error) {
	info, err := os.Stat(path)
	return opened{path, info}, err
}

// Check implements sqldb.Files. What has been removed does not count as there again when it is put back: it may lack
// what was written meanwhile. An error that says nothing about the file may pass.
func (f *file) Check() error {
	for _, o := range f.open {
		now, err := os.Stat(o.path)
		switch {
		case err == nil && os.SameFile(now, o.info):
		case err == nil:
			return replaced("%s is another file than the one that was opened", o.path)
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			return replaced("%s has been removed or renamed", o.path)
		default:
			return fmt.Errorf("sqlite: %w: %w", store.ErrUnavailable, err)
		}
	}
	return nil
}

func replaced(format string, path string) error {
	return fmt.Errorf("sqlite: %w: "+format+" while the database was in use. "+
		"Stop every program that uses it, put the right file in place, and start them again", store.ErrReplaced, path)
}

// Close implements sqldb.Files.
func (f *file) Close() error {
	if f.hold == nil {
		return nil
	}
	return f.hold.Close()
}

// connector opens connections by the name that the driver takes.
type connector struct {
	driver driver.Driver
	name   string
}

func (c connector) Driver() driver.Driver { return c.driver }

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.name) }
