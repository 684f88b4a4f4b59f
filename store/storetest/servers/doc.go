// Package servers starts real Redis, PostgreSQL and PgBouncer servers for tests, each in a
// temporary folder on a free loopback port, and stops them again. It needs no running server and
// does not touch one; only the programs must be installed. If a program is missing, the test is
// skipped with a line that names the package to install, or fails if the environment variable CI is
// set. A [Proxy] between a client and a server breaks the connection on command.
//
//	func TestMain(m *testing.M) { os.Exit(servers.Main(m).Run()) }
//
//	func TestOrders(t *testing.T) {
//		dsn := servers.Postgres(t).Database(t) // an empty database on the shared server
//		rdb := servers.Redis(t)                // a server of this test's own
//		rdb.Pause()                            // hung, not just down
//		...
//
// [Redis] and [Postgres] use running servers if REDIS_URL or DATABASE_URL names one. Tests that
// would break such a server (Pause, Kill …) are skipped. [NewRedis], [NewPostgres] and
// [NewPgBouncer] always start a server of their own.
//
// A server does not outlive the tests. A small shell beside each server holds the read end of a
// pipe. When the test process ends, for any reason (a panic, a timeout, SIGKILL), the pipe closes,
// and the shell stops the server and removes its folder. The parent-death signal of Linux does not
// suffice: it is bound to the thread that started the server, it does not wake a PostgreSQL that
// Pause has stopped, and other systems have none.
//
// The package needs a Unix, and imports only the standard library.
package servers
