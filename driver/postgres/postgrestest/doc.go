// Package postgrestest starts throw-away PostgreSQL servers from Debian's
// package for tests, and breaks them: stopped, killed, frozen.
//
// A package's tests share one server and take a fresh database each:
//
//	var server postgrestest.Shared
//
//	func TestMain(m *testing.M) { os.Exit(server.Run(m)) }
//
//	func TestSomething(t *testing.T) {
//		url := server.Database(t)
//		…
//	}
//
// A test that breaks the server starts one of its own with Start.
package postgrestest
