// Package observe has what the packages of this module need in common to be observed: how they call
// an Observer, and how they give their numbers to package telemetry.
package observe

import (
	"context"
	"errors"
)

// ErrPanic is the error of an operation that panicked.
var ErrPanic = errors.New("panic")

// Begin calls o.Begin and returns its results. A nil o observes nothing. The operations are listed in
// package store/telemetry.
func Begin(ctx context.Context, o interface {
	Begin(context.Context, string) (context.Context, func(error))
}, operation string) (context.Context, func(error)) {
	if o == nil {
		return ctx, ignore
	}
	return o.Begin(ctx, operation)
}

func ignore(error) {}
