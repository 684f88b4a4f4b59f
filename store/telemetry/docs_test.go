package telemetry_test

import (
	"os"
	"strings"
	"testing"
)

// TestTheDocsShowWhatCompiles finds each line of the first Go block of docs/operations.md in this
// package's example.
func TestTheDocsShowWhatCompiles(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "```go\n")
	block, _, ok := strings.Cut(block, "```")
	if !ok || strings.Count(block, "\n") < 4 {
		t.Fatalf("the block is %q", block)
	}
	for line := range strings.Lines(block) {
		if !strings.Contains(string(code), strings.TrimSpace(line)) {
			t.Errorf("not in example_test.go: %s", line)
		}
	}
}
