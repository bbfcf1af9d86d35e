// Package processtest starts a throw-away process-compose for tests, with
// processes of the test's choice, and ends it and them with the test. It
// listens on a unix socket in a directory of its own: over TCP it would listen
// on all interfaces.
//
// A test that needs a service which tells what it runs with takes its own
// binary for one:
//
//	func TestMain(m *testing.M) { processtest.Main(m) }
//
//	func TestSomething(t *testing.T) {
//		o := processtest.Start(t, processtest.Service(t, "web", 2, "RELEASE=v1")...)
//		… o.API …
//	}
package processtest
