// Package ui_test drives the admin page in a real Chromium, against real admin routes on loopback.
//
// Screenshots of the way are kept by go test -artifacts, or in the folder that LATCHKEY_SCREENSHOTS
// names. -readme writes the two of the README into docs/images.
package ui_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

var readme = flag.Bool("readme", false, "write the pictures of the README into docs/images")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestPage holds all tests that need a browser: they share one, each in a profile of its own.
func TestPage(t *testing.T) {
	b := startChromium(t)
	t.Run("the keyboard alone is enough for the life of a key", func(t *testing.T) { lifeByKeyboard(t, b) }) // alone: it reads the clipboard
	for _, tt := range []struct {
		name string
		run  func(*testing.T, *chromium)
	}{
		{"the keyboard alone is enough for all the rest, on a phone in the dark", restByKeyboard},
		{"the list is searched, filtered, ordered and turned over", listing},
		{"the status of a key is found in every combination of revocation and expiry", statuses},
		{"times are local, with UTC in the title, and go by the server's clock", times},
		{"a publishable key is made with sales channels, which can be changed", salesChannels},
		{"a key is described, and its description is changed and taken away", descriptions},
		{"every fault of a field is told next to it", faults},
		{"a server that is lost is told, and nothing typed is", lostServer},
		{"a key that dies while it is in use is replaced without a loss", lostKey},
		{"a restricted key is told what it may not do", restricted},
		{"the key in use can be rolled and revoked", ownKey},
		{"secrets are in the page's memory alone", secrets},
		{"a copy that the browser refuses is left to the visitor", refusedCopy},
		{"a long audit trail is shown piece by piece", longTrail},
		{"titles stay text, whatever they look like", texts},
		{"it is at home under any path, with and without a slash", mounts},
		{"it fits a phone", phone},
		{"it is light and dark, and can be read in both", schemes},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t, b)
		})
	}
}
