// Latchkey manages API keys from the shell, for the day on which the web is not at hand: it works on the database itself.
//
//	export DATABASE_URL=postgres://… REDIS_URL=redis://… LATCHKEY_PEPPERS=…     # as the running instances have them
//	go run ./admin/cmd/latchkey create -type secret -title ERP -scope orders:read
//	go run ./admin/cmd/latchkey revoke apk_01M82NJBTYECRRGD8R7R7012W4
//
// It changes keys through package cache, as every changer does: when a command has returned, no running instance answers from before it
// (docs/consistency.md). "latchkey -h" lists the commands, "latchkey COMMAND -h" explains one.
//
// The exit status is 0 when all went well, 1 when something failed or, for verify, the token is not accepted, and 2 when flags, arguments or
// environment are wrong; nothing has been done then.
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

// program is what a run of it has from outside.
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
