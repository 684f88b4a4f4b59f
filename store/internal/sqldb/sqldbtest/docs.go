package sqldbtest

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// SQLBlocks returns the SQL blocks of one section of a page, in order.
func SQLBlocks(tb testing.TB, page, heading string) []string {
	tb.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		tb.Fatal(err)
	}
	_, part, found := strings.Cut(string(text), "\n"+heading+"\n")
	if !found {
		tb.Fatalf("%s has no heading %q", page, heading)
	}
	if end := regexp.MustCompile(`(?m)^#+ `).FindStringIndex(part); end != nil {
		part = part[:end[0]]
	}
	var blocks []string
	for _, block := range regexp.MustCompile("(?s)\n```sql\n(.*?)\n```\n").FindAllStringSubmatch(part, -1) {
		blocks = append(blocks, block[1])
	}
	return blocks
}
