//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is also the instances that the demo starts.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "instance" {
		if err := serve(context.Background(), os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func TestNothingIsLetInAfterARevocation(t *testing.T) {
	var out strings.Builder
	results, err := run(t.Context(), &out)
	if err != nil || len(results) != 3 {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, r := range results {
		if r.ours.sent == 0 || r.ours.letIn > 0 {
			t.Errorf("%s: Latchkey let in %v", r.name, r.ours)
		}
		if r.other.letIn == 0 || r.other.letIn != r.other.sent {
			t.Errorf("%s: the cache let in %v: it is no comparison", r.name, r.other)
		}
	}
	t.Log(out.String())
}
