package security_test

import "log/slog"

// testLogger writes to the log of the world.
func testLogger(w *world) *slog.Logger {
	return slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
