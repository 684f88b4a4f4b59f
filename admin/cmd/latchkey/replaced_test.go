package main

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
)

// TestRequirement09ARevocationInAFileThatReplacedAnotherIsInEffectEverywhere: an instance that
// still has the old file would never see it, so it must not answer any more.
func TestRequirement09ARevocationInAFileThatReplacedAnotherIsInEffectEverywhere(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows removes and replaces no file that is open")
	}
	for name, replace := range map[string]func(t *testing.T, file, backup string) error{
		"a copy is moved over it": func(_ *testing.T, file, backup string) error {
			return errors.Join(os.Remove(file+"-wal"), os.Remove(file+"-shm"), os.Rename(backup, file))
		},
		"it is removed and put back from a backup": func(_ *testing.T, file, backup string) error {
			return errors.Join(os.Remove(file), os.Remove(file+"-wal"), os.Remove(file+"-shm"), os.Rename(backup, file))
		},
		"its folder is replaced": func(t *testing.T, file, backup string) error {
			folder := filepath.Dir(file)
			return errors.Join(os.Rename(folder, folder+".old"), os.Mkdir(folder, 0o700), os.Rename(backup, file))
		},
		"its -wal and -shm are removed": func(t *testing.T, file, _ string) error {
			if err := checkpoint(t, file); err != nil {
				return err
			}
			return errors.Join(os.Remove(file+"-wal"), os.Remove(file+"-shm"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "data", "keys.db")
			backup := filepath.Join(t.TempDir(), "backup.db")
			if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			sh := newShell(t, "DATABASE_URL", "sqlite:"+file)
			made, other := sh.secret("one"), sh.secret("two")
			old := sh.instance()
			old.warm(made.Token)
			if err := onFile(t, file, `VACUUM INTO '`+backup+`'`); err != nil {
				t.Fatal(err)
			}
			if err := replace(t, file, backup); err != nil {
				t.Fatal(err)
			}
			sh.ok("revoke", made.ID)
			for range 100 {
				if err := old.authenticate(made.Token); err == nil {
					t.Fatal("the old instance accepts a key after its revocation has returned")
				}
			}
			old.eventually("the old instance says that it cannot decide", func() bool {
				return errors.Is(old.authenticate(made.Token), store.ErrUnavailable) && errors.Is(old.authenticate(other.Token), store.ErrUnavailable)
			})
			if err := old.authenticate(other.Token); !errors.Is(err, store.ErrReplaced) || !strings.Contains(err.Error(), file) {
				t.Errorf("the error does not say why: %v", err)
			}
			if _, err := old.keys.Revoke(t.Context(), other.ID); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("a revocation by the old instance: %v", err)
			}
			// In a program that is started now, it stays revoked, also when the old one has been
			// stopped and has closed its files.
			for _, stopped := range []bool{false, true} {
				if stopped {
					old.close()
				}
				sh.type_(made.Token, "verify").exits(exitFailed).says("revoked")
				sh.type_(other.Token, "verify").exits(exitOK)
			}
		})
	}
}

func checkpoint(t *testing.T, file string) error {
	t.Helper()
	return onFile(t, file, `PRAGMA wal_checkpoint(TRUNCATE)`)
}

// onFile runs a statement on a database file, as another program would.
func onFile(t *testing.T, file, statement string) error {
	t.Helper()
	database, err := dburl.Parse("sqlite:" + file)
	if err != nil {
		return err
	}
	db, err := database.Connect()
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(t.Context(), statement)
	return err
}
