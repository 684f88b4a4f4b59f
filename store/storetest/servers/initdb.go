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

// fill gives the server its data. initdb takes a second of processor time, so its result is kept in
// the user's cache and copied for each server. The copies have the password in common, which only
// this user can read there.
func (p *postgres) fill() error {
	kept, err := p.cached()
	if err != nil {
		return p.initialise() // no home, no cache
	}
	pwfile := filepath.Join(kept, "password")
	password, err := os.ReadFile(pwfile)
	if err != nil {
		if err := p.initialise(); err != nil {
			return err
		}
		p.keep(kept)
		return nil
	}
	p.password = string(password)
	if err := copyFolder(filepath.Join(kept, "data"), p.data()); err != nil {
		return err
	}
	return unprivileged(&exec.Cmd{}, p.folder) // what is inside keeps its owner
}

// cached returns the folder that holds what initdb has made, or will hold it. Another version of
// PostgreSQL, or other arguments, have another one.
func (p *postgres) cached() (string, error) {
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
	of := fmt.Sprintln(program, info.ModTime().UnixNano(), info.Size(), initdb)
	return filepath.Join(cache, "latchkey-tests", fmt.Sprintf("postgres-%x", sha256.Sum256([]byte(of)))[:24]), nil
}

// keep puts a copy into the cache. It appears there as a whole, so that a test never reads half of
// it. When it fails, the next server runs initdb too.
func (p *postgres) keep(kept string) {
	unfinished := kept + "-" + strings.ToLower(rand.Text()[:12])
	err := os.MkdirAll(unfinished, 0o700)
	if err == nil {
		err = copyFolder(p.data(), filepath.Join(unfinished, "data"))
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(unfinished, "password"), []byte(p.password), 0o600)
	}
	if err == nil {
		err = os.Rename(unfinished, kept) // fails when another test was faster
	}
	if err != nil {
		_ = os.RemoveAll(unfinished)
	}
}

// copyFolder leaves the files their owners and rights.
func copyFolder(from, to string) error {
	if out, err := exec.Command("cp", "-Rp", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("cp: %w\n%s", err, out)
	}
	return nil
}

// initdb are its arguments, but for the folder and the password.
var initdb = []string{"--username=latchkey", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"}

// initialise runs initdb.
func (p *postgres) initialise() error {
	pwfile := filepath.Join(p.folder, "password")
	if err := os.WriteFile(pwfile, []byte(p.password+"\n"), 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*startWithin)
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
