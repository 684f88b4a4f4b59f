package servers

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// initData creates the server's data. initdb takes a second of processor time, so its result is
// cached in the user's cache and copied for each server. The copies share the password, which only
// this user can read there.
func (p *postgres) initData() error {
	cached, err := p.cachePath()
	if err != nil {
		return p.initialise() // without a home there is no cache
	}
	pwfile := filepath.Join(cached, "password")
	password, err := os.ReadFile(pwfile)
	if err != nil {
		if err := p.initialise(); err != nil {
			return err
		}
		p.saveCache(cached)
		return nil
	}
	p.password = string(password)
	if err := copyFolder(filepath.Join(cached, "data"), p.data()); err != nil {
		return err
	}
	return unprivileged(&exec.Cmd{}, p.folder) // the files inside have their owner
}

// cachePath returns the folder for the result of initdb. It differs for each version of PostgreSQL
// and for other arguments.
func (p *postgres) cachePath() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	program, err := filepath.EvalSymlinks(filepath.Join(p.bin, "initdb"))
	if err != nil {
		return "", err
	}
	info, err := os.Stat(program)
	if err != nil {
		return "", err
	}
	key := fmt.Sprintln(program, info.ModTime().UnixNano(), info.Size(), initdb)
	return filepath.Join(cache, "latchkey-tests", fmt.Sprintf("postgres-%x", sha256.Sum256([]byte(key)))[:24]), nil
}

// saveCache copies the data into the cache. The rename is atomic, so that a test never reads half
// of it. If it fails, the next server runs initdb too.
func (p *postgres) saveCache(cached string) {
	unfinished := cached + "-" + strings.ToLower(rand.Text()[:12])
	err := os.MkdirAll(unfinished, 0o700)
	if err == nil {
		err = copyFolder(p.data(), filepath.Join(unfinished, "data"))
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(unfinished, "password"), []byte(p.password), 0o600)
	}
	if err == nil {
		err = os.Rename(unfinished, cached) // fails if another test was faster
	}
	if err != nil {
		_ = os.RemoveAll(unfinished)
	}
}

// copyFolder copies a folder with its owners and permissions.
func copyFolder(from, to string) error {
	if out, err := exec.Command("cp", "-Rp", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("cp: %w\n%s", err, out)
	}
	return nil
}

// initdb are the arguments of initdb, except the folder and the password.
var initdb = []string{"--username=latchkey", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"}

// initialise runs initdb.
func (p *postgres) initialise() error {
	pwfile := filepath.Join(p.folder, "password")
	if err := os.WriteFile(pwfile, []byte(p.password+"\n"), 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, "initdb"), append([]string{"--pgdata=" + p.data(), "--pwfile=" + pwfile}, initdb...)...)
	cmd.Dir = p.folder
	cmd.Env = cleanEnv()
	if err := unprivileged(cmd, p.folder, pwfile); err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return os.Remove(pwfile)
}
