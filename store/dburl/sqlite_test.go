package dburl_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store/dburl"
)

func TestSQLiteURLsNameAFile(t *testing.T) {
	t.Run("one that names none is refused, and none is made", func(t *testing.T) {
		t.Chdir(t.TempDir())
		for address, says := range map[string]string{
			"sqlite:":                                        "must name a file",
			"sqlite://":                                      "must name a file",
			"sqlite::memory:":                                "names a database in memory",
			"sqlite://:memory:":                              "names a database in memory",
			"sqlite::memory:?cache=shared":                   "names a database in memory",
			"sqlite:file::memory:":                           "names a database in memory",
			"sqlite:file::memory:?cache=shared":              "names a database in memory",
			"sqlite:file:keys?mode=memory&cache=shared":      "names a database in memory",
			"sqlite:keys?mode=memory":                        "names a database in memory",
			"sqlite:file:/keys?vfs=memdb":                    "names a database in memory",
			"sqlite:file:keys.db":                            "leave out file:",
			"sqlite:file:///keys.db?_pragma=busy_timeout(1)": "leave out file:",
		} {
			d, err := dburl.Parse(address)
			if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %+v, %v", address, d, err)
			}
			if memory := strings.Contains(says, "memory"); err != nil && memory != strings.Contains(err.Error(), "store.NewMemory") {
				t.Errorf("%s: %v", address, err)
			}
		}
		if made, _ := os.ReadDir("."); len(made) > 0 {
			t.Errorf("made: %v", made)
		}
	})
	t.Run("errors of the store name it", func(t *testing.T) {
		missing := filepath.Join(t.TempDir(), "later", "keys.db")
		d, err := dburl.Parse("sqlite:" + missing)
		if err != nil {
			t.Fatal(err)
		}
		db, err := d.Connect()
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		s, err := d.Open(db, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close(t.Context())
		if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("Ready: %v", err)
		}
	})
}
