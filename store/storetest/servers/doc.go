// Package servers starts real Redis, PostgreSQL and PgBouncer servers for tests, each in a
// temporary folder on a free loopback port, and ends them again. Nothing has to be running
// beforehand, and nothing that is running is touched; only the programs must be installed. When
// they are not, the test is skipped with a line that says what to install, or fails if the
// environment variable CI is set. A [Proxy] stands between a client and a server and breaks the
// connection on command.
//
//	func TestMain(m *testing.M) { os.Exit(servers.Main(m).Run()) }
//
//	func TestOrders(t *testing.T) {
//		dsn := servers.Postgres(t).Database(t) // an empty database on the server that all tests share
//		rdb := servers.Redis(t)                // a server of this test's own
//		rdb.Pause()                            // hung, not just down
//		...
//
// [Redis] and [Postgres] use running servers instead when REDIS_URL or DATABASE_URL names one;
// tests that then call a method that would break it (Pause, Kill …) are skipped. [NewRedis],
// [NewPostgres] and [NewPgBouncer] always start a server of their own.
//
// A server does not outlive the tests. Beside each runs a small shell that holds the read end of a pipe; when the test process goes,
// however it goes (a panic, a timeout, SIGKILL), the pipe closes, and the shell ends the server and removes its folder. Linux's
// parent-death signal would not do: it is bound to the thread that started the server, it cannot wake a PostgreSQL that
// Pause has stopped, and other systems have none.
//
// The package needs a Unix, and imports nothing but the standard library.
package servers
