// Latchkey manages API keys from the shell. It works on the database directly, without a server.
//
//	export DATABASE_URL=postgres://… REDIS_URL=redis://… LATCHKEY_PEPPERS=…
//	go run ./admin/cmd/latchkey create -type secret -title ERP -scope orders:read
//	go run ./admin/cmd/latchkey revoke apk_01M82NJBTYECRRGD8R7R7012W4
//
// It changes keys through package cache: after a command has returned, no running instance serves
// stale data (docs/consistency.md). "latchkey -h" lists the commands, "latchkey COMMAND -h"
// explains one.
//
// The exit status is 0 on success, 1 if something failed or verify refuses the token, and 2 if
// flags, arguments or environment are wrong and nothing was done.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	p := &program{getenv: os.Getenv, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(p.run(ctx, os.Args[1:]))
}

// program is the environment of a run.
type program struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// The exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)
